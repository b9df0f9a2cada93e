"""Benchmarks: the same questions put to every system, and answers scored by the published rules.

    benchmark = find_benchmark("gar-bench-vqa")
    run(benchmark, make_system("nano"), load_benchmark(benchmark, Path("GAR-Bench")), Path("runs/nano"))
    for table in score_run(Path("runs/nano")):
        print(table.scores)

The room, from data to comparison:

    items, reading                   what is shown and asked; files of others, read carefully
    benchmark, registry              what a benchmark declares; all of them by name
    gar_bench, dlc_bench (dlc_answers), ferret_bench and mdvp_bench (pair_rating), videorefer_bench (video_frames),
    graspworld_bench                 one file each
    asking, perturbations, running   the ways in which an item is asked, made harder, and a whole run
    run_folder                       what a run leaves on disk, safe against a kill
    judge, judge_cache, verdicts     models that grade answers
    scoring, results, comparing      marks, intervals, tables, paired differences
    answer_files, given_answers      answers that others published
    report, report_*                 one page with tables, plots and pictures
    lmms_eval                        the same benchmarks as tasks of lmms-eval
"""

from gar.benchmarks.comparing import compare
from gar.benchmarks.given_answers import score_answers
from gar.benchmarks.registry import BENCHMARKS, find_benchmark
from gar.benchmarks.results import score_run
from gar.benchmarks.running import load_benchmark, run
from gar.benchmarks.verdicts import judge_run

__all__ = [
    "BENCHMARKS",
    "compare",
    "find_benchmark",
    "judge_run",
    "load_benchmark",
    "run",
    "score_answers",
    "score_run",
]
