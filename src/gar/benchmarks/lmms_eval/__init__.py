"""The benchmarks as tasks of lmms-eval, for those who run their models there.

    lmms_eval --include_path $(python -c "import gar.benchmarks.lmms_eval as t; print(t.PATH)") --tasks gar_bench_vqa …

Each task is a `.yaml` file beside this one, and a `.jsonl` file of one line that says which benchmark it is. The rest
are functions of `gar.benchmarks.lmms_eval.functions`, which call what `gar bench` calls.
"""

from pathlib import Path

__all__ = ["PATH"]

PATH = Path(__file__).parent
"""The folder for `--include_path`."""
