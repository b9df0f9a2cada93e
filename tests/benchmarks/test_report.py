"""The page that `gar bench report` writes: what stands in it, and what a browser makes of it."""

import html.parser
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gar.benchmarks.given_answers import score_answers
from gar.benchmarks.registry import find_benchmark
from gar.benchmarks.report import write_report
from gar.benchmarks.running import load_benchmark, run
from gar.cli import main
from gar.errors import InputError, MissingExtraError

pytest.importorskip("matplotlib", reason="plots need matplotlib, from the extra `eval`")

BENCHMARK = find_benchmark("gar-bench-vqa")
EVIL = "</script><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"


class Reader(html.parser.HTMLParser):
    """Collects what a page is made of."""

    def __init__(self):
        super().__init__()
        self.tags, self.ids, self.addresses, self.unlabelled = [], [], [], []
        self.open_labels = 0

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.tags.append(tag)
        self.ids += [found["id"]] if "id" in found else []
        self.addresses += [found[name] for name in ("src", "href", "action", "xlink:href") if name in found]
        self.open_labels += tag == "label"
        if tag in ("select", "input") and not self.open_labels:
            self.unlabelled.append(found)

    def handle_endtag(self, tag):
        self.open_labels -= tag == "label"


def read(path):
    page = Reader()
    page.feed(path.read_text("utf-8"))
    return page


def content_of(path):
    found = re.search(
        r'<script type="application/json" id="content">(.*?)</script>', path.read_text("utf-8"), re.DOTALL
    )
    return json.loads(found[1])


@pytest.fixture
def make_run(vqa_folder, rule_system, tmp_path):
    """Runs the small benchmark on a system that always says one letter."""

    def make(name, letter="B", failing=(), **settings):
        folder = tmp_path / name
        run(BENCHMARK, rule_system(letter, failing), load_benchmark(BENCHMARK, vqa_folder), folder, **settings)
        return folder

    return make


def test_a_page_needs_nothing_from_outside(make_run, tmp_path):
    report = write_report([make_run("plain", cyclic=True)], tmp_path / "report.html")
    page = read(report.path)
    assert all(address.startswith(("data:", "#")) for address in page.addresses)
    assert "link" not in page.tags
    text = report.path.read_text("utf-8")
    assert "url(http" not in text
    assert "default-src 'none'" in text
    assert all(one[0].startswith("data:image/webp;base64,") for one in content_of(report.path)["pictures"])
    assert (report.items, report.pictures, report.left_out) == (20, 20, ())
    assert report.size == report.path.stat().st_size


def test_a_page_can_be_read_aloud(make_run, tmp_path):
    page = read(write_report([make_run("a"), make_run("b", "A")], tmp_path / "report.html").path)
    assert page.unlabelled == []
    assert len(page.ids) == len(set(page.ids))
    text = (tmp_path / "report.html").read_text("utf-8")
    assert text.count("<svg") == text.count('role="img"') == len(re.findall(r'<svg[^>]*aria-label="[^"]+"', text))


def test_items_hold_answers_and_how_they_did(make_run, tmp_path):
    path = write_report([make_run("plain", "B", failing={"3"})], tmp_path / "report.html").path
    items = {item["name"]: item for item in content_of(path)["items"]}
    assert list(items) == [str(number) for number in range(20)]
    (view,) = items["1"]["views"]
    assert (view["question"], view["answer"]) == ("Which one among <Prompt0> or <Prompt1> is red?", "B")
    assert view["answers"][0]["text"] == "B"
    assert items["1"]["flags"] == ["right"]
    assert items["2"]["flags"] == ["wrong"]
    assert items["3"]["flags"] == ["wrong", "unparsed", "failed"]
    assert items["3"]["views"][0]["answers"][0]["error"] == "it did not answer"
    assert items["1"]["prompts"] == 2
    shares = [0.1, 0.7, 0.1, 0.1]
    assert items["1"]["views"][0]["answers"][0]["shares"] == [["letters", shares], ["options", shares]]


def test_runs_that_were_shown_the_same_share_a_picture_and_others_do_not(make_run, tmp_path):
    folders = [make_run("a"), make_run("b", "A"), make_run("c", perturbations=["erode:1"])]
    content = content_of(write_report(folders, tmp_path / "report.html").path)
    assert len(content["pictures"]) == 40
    first, second = content["items"][0]["views"]
    assert [answer["run"] for answer in first["answers"]] == [0, 1]
    assert (second["shows"], [answer["run"] for answer in second["answers"]]) == (["erode:1"], [2])
    assert content["items"][0]["flags"] == ["wrong", "right", "differ"]


def test_permuted_prompts_are_drawn_as_the_system_saw_them(make_run, tmp_path):
    folders = [make_run("a"), make_run("b", perturbations=["permute-prompts"])]
    content = content_of(write_report(folders, tmp_path / "report.html").path)
    swapped = [item for item in content["items"] if "<Prompt1> or <Prompt0>" in item["views"][1]["question"]]
    assert swapped
    for item in content["items"]:
        same = content["pictures"][item["views"][0]["picture"]] == content["pictures"][item["views"][1]["picture"]]
        assert same == (item not in swapped)


def test_a_background_is_blurred_again_for_the_page(make_run, tmp_path):
    folders = [make_run("a"), make_run("b", perturbations=["blur-background:3"])]
    content = content_of(write_report(folders, tmp_path / "report.html").path)
    for item in content["items"]:
        plain, blurred = (content["pictures"][view["picture"]][0] for view in item["views"])
        assert len(blurred) < 0.8 * len(plain)


def test_pictures_stay_below_the_limit_and_what_is_left_out_is_said(make_run, tmp_path):
    folder = make_run("plain")
    whole = write_report([folder], tmp_path / "whole.html")
    few = write_report([folder], tmp_path / "few.html", max_megabytes=0.02)
    assert 0 < few.pictures < whole.pictures
    assert sum(len(one[0]) for one in content_of(few.path)["pictures"]) <= 20_000
    (note,) = few.left_out
    assert note.startswith(f"{20 - few.pictures} of 20 pictures are left out")
    assert note in few.path.read_text("utf-8")
    shown = {item["name"] for item in content_of(few.path)["items"] if item["views"][0]["picture"] is not None}
    assert shown <= {item["name"] for item in content_of(few.path)["items"] if "wrong" in item["flags"]}


def test_without_the_data_there_are_answers_and_a_reason(make_run, vqa_folder, tmp_path):
    folder = make_run("plain")
    vqa_folder.rename(tmp_path / "moved")
    report = write_report([folder], tmp_path / "report.html")
    assert (report.items, report.pictures) == (20, 0)
    assert "no pictures" in report.left_out[0]
    assert write_report([folder], tmp_path / "report.html", data=tmp_path / "moved").pictures == 20


def test_a_picture_that_is_gone_is_left_out_with_its_reason(make_run, vqa_folder, tmp_path):
    folder = make_run("plain")
    for name in ("vqa_3.png", "vqa_4.png"):
        path = vqa_folder / "annotations/images" / name
        path.write_bytes(b"\0" * path.stat().st_size)
    report = write_report([folder], tmp_path / "report.html")
    assert report.pictures == 18
    assert report.left_out[0].startswith("2 pictures cannot be drawn: ")


@pytest.mark.parametrize("runs", [1, 2])
def test_all_plots_that_the_runs_allow_are_drawn(make_run, tmp_path, runs):
    folders = [make_run("a", cyclic=True), make_run("b", perturbations=["erode:1"])][:runs]
    text = write_report(folders, tmp_path / "report.html").path.read_text("utf-8")
    titles = re.findall(r"<figcaption>(.*?)</figcaption>", text)
    both = ["Score by part", "Letters: right and answered"]
    assert titles == (both if runs == 1 else ["Runs side by side", *both, "Score against perturbation"])


def test_names_that_look_like_formulas_or_markup_are_only_names(make_run, tmp_path):
    folder = make_run("a").rename(tmp_path / "$x_1^$ <b>&#123; 中文")
    text = write_report([folder, make_run("b", "C")], tmp_path / "report.html").path.read_text("utf-8")
    assert "<b>&" not in text
    assert "$x_1^$ &lt;b&gt;&amp;#123; 中文" in text


def test_runs_of_several_benchmarks_stand_in_one_page(make_run, shared, tmp_path):
    outputs = shared / "bench/ferret-bench"
    verdicts = next((outputs / "gpt4_result/gar_1b").glob("*.jsonl"))
    answers = outputs / "model_outputs/gar_1b.json"
    ferret = find_benchmark("ferret-bench")
    score_answers(ferret, answers, verdicts=verdicts, data=shared / "bench", out=tmp_path / "ferret")
    report = write_report([make_run("plain"), tmp_path / "ferret"], tmp_path / "report.html", max_megabytes=0)
    content = content_of(report.path)
    assert content["subjects"] == ["gar-bench-vqa", "ferret-bench"]
    assert len(content["items"]) == 60
    judged = content["items"][-1]["views"][0]["answers"][0]
    assert judged["judge"][0]["reply"]
    assert {"above", "below"} & set(judged["flags"])
    assert "55.99" in report.path.read_text("utf-8")


def test_a_run_that_awaits_its_judge_is_shown_without_scores(shared, rule_system, tmp_path):
    benchmark = find_benchmark("ferret-bench")
    run(benchmark, rule_system(), load_benchmark(benchmark, shared / "bench"), tmp_path / "run", limit=3)
    report = write_report([tmp_path / "run"], tmp_path / "report.html")
    assert (report.items, report.pictures) == (3, 3)
    assert content_of(report.path)["items"][0]["flags"] == ["unjudged"]
    assert "no judge has graded these answers yet" in report.path.read_text("utf-8")


def test_what_cannot_be_reported_is_refused_and_nothing_is_written(make_run, tmp_path):
    folder, out = make_run("plain"), tmp_path / "out"
    out.mkdir()
    with pytest.raises(InputError, match="at least 1"):
        write_report([], out / "report.html")
    with pytest.raises(InputError, match=r"manifest\.json"):
        write_report([tmp_path], out / "report.html")
    with pytest.raises(InputError, match="folder that exists"):
        write_report([folder], out / "missing/report.html")
    with pytest.raises(InputError, match="-1 MB"):
        write_report([folder], out / "report.html", max_megabytes=-1)
    assert list(out.iterdir()) == []


def test_a_missing_matplotlib_is_named_with_its_extra(make_run, tmp_path, monkeypatch):
    folder = make_run("plain")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"matplotlib.*\[eval\]"):
        write_report([folder], tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_a_report_is_written_from_the_command_line(capsys, make_run, tmp_path):
    out = tmp_path / "report.html"
    assert main(["bench", "report", str(make_run("plain")), "--out", str(out)]) == 0
    assert "20 items, 20 pictures" in capsys.readouterr().err
    assert main(["bench", "report", str(tmp_path / "missing"), "--out", str(out)]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("gar: ")


# In a browser


def browse(path, script, folder):
    """What a script finds in the page, run in Chromium after the page's own."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("there is no Chromium or Chrome on this machine")
    text = path.read_text("utf-8")
    # The page's policy would refuse the test's script.
    text, count = re.subn(r"script-src '[^']*'", "script-src 'unsafe-inline'", text)
    assert count == 1
    probe = folder / "probe.html"
    seen = "const seen = document.createElement('pre'); seen.id = 'seen'; seen.textContent = JSON.stringify(look());"
    probe.write_text(f"{text}<script>{{ {script} {seen} document.body.append(seen); }}</script>", "utf-8")
    flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    command = [
        browser,
        *flags.split(),
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={folder}/user",
    ]
    done = subprocess.run(
        [*command, "--dump-dom", probe.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    page = done.stdout
    found = re.search(r'<pre id="seen">(.*?)</pre>', page, re.DOTALL)
    assert found, page[-500:]
    return json.loads(html.unescape(found[1]))


FIND = """
  const by = (id) => document.getElementById(id);
  const names = () => [...document.querySelectorAll('#list article h3 b')].map((name) => name.textContent);
  const press = (key) => document.body.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
  function set(values) {
    for (const select of document.querySelectorAll('#filters select')) select.selectedIndex = 0;
    by('search').value = '';
    for (const [id, value] of Object.entries(values)) by(id).value = value;
    by('filters').dispatchEvent(new Event('input'));
    return [names(), by('count').textContent];
  }
"""


def test_items_are_filtered_searched_and_paged_in_a_browser(make_run, tmp_path):
    folders = [make_run("first", "B", failing={"3"}), make_run("second", "A")]
    path = write_report(folders, tmp_path / "report.html").path
    script = """
      function look() {
        const all = set({});
        press('ArrowRight');
        const turned = names();
        const before = document.querySelectorAll('#list img').length;
        press('j'); press('j');
        const focused = document.activeElement.querySelector('h3 b').textContent;
        const one = set({ search: 'NONE', flag: 'failed' });
        const chips = [...document.querySelectorAll('#list .question .chip')].map((chip) => chip.textContent);
        return {
          all, turned, before, focused, one, chips,
          right: set({ flag: 'right', run: '0' }), differ: set({ flag: 'differ' })[1],
          unparsed: set({ flag: 'unparsed' })[0], shape: set({ group: 'shape' })[1],
          low: set({ order: 'low', run: '1' })[0], nothing: set({ search: 'zebra' })[1],
          hidden: by('subject').closest('label').hidden,
          flags: [...by('flag').options].map((option) => option.value),
          next: document.querySelector('[data-step="1"]').disabled,
        };
      }
    """
    seen = browse(path, FIND + script, tmp_path)
    assert seen["all"] == [[str(number) for number in range(10)], "20 items, page 1 of 2"]
    assert seen["turned"] == [str(number) for number in range(10, 20)]
    assert seen["before"] == 10
    assert seen["focused"] == "11"
    assert seen["one"] == [["3"], "1 of 20 items, page 1 of 1"]
    assert seen["chips"] == ["0", "1"]
    assert seen["right"] == [["1", "5", "9", "13", "17"], "5 of 20 items, page 1 of 1"]
    assert seen["differ"] == "10 of 20 items, page 1 of 1"
    assert seen["unparsed"] == ["3"]
    assert seen["shape"] == "10 of 20 items, page 1 of 1"
    assert seen["low"][:2] == ["1", "2"]
    assert seen["nothing"] == "0 of 20 items, page 1 of 1"
    assert seen["hidden"]
    assert seen["flags"] == ["", "right", "wrong", "unparsed", "failed", "differ"]
    assert seen["next"]


def test_long_names_stay_within_plots_and_page(vqa_folder, rule_system, tmp_path):
    path = vqa_folder / "annotations/GAR-Bench-VQA.json"
    entries = json.loads(path.read_text())
    for number, entry in enumerate(entries):
        entry["type"] = ("", "long" * 60, "short")[number % 3]
    path.write_text(json.dumps(entries))
    loaded, folders = load_benchmark(BENCHMARK, vqa_folder), [tmp_path / f"{'run' * 50}{k}" for k in (1, 2)]
    for folder in folders:
        run(BENCHMARK, rule_system(name="system" * 30), loaded, folder)
    path = write_report(folders, tmp_path / "report.html").path
    text = path.read_text("utf-8")
    assert "longlonglongl…nglonglonglong" in text
    assert {f"runrunrunrunr…nrunrunrunrun{k}" in text for k in (1, 2)} == {True}
    look = "function look() { return document.documentElement.scrollWidth <= window.innerWidth; }"
    assert browse(path, look, tmp_path)


def test_what_others_wrote_is_text_in_a_browser(vqa_folder, tmp_path):
    entries = json.loads((vqa_folder / "annotations/GAR-Bench-VQA.json").read_text())
    for entry in entries:
        entry["question"], entry["choices"][3] = EVIL + " <Prompt0>", f"D. {EVIL}"
    (vqa_folder / "annotations/GAR-Bench-VQA.json").write_text(json.dumps(entries))
    answers = tmp_path / "answers.json"
    answers.write_text(json.dumps([{**entry, "model_output": EVIL} for entry in entries]))
    score_answers(BENCHMARK, answers, data=vqa_folder, out=tmp_path / "run")
    path = write_report([tmp_path / "run"], tmp_path / "report.html").path
    assert read(path).tags.count("script") == 2
    script = """
      function look() {
        return { title: document.title, said: document.querySelector('blockquote').textContent,
                 asked: document.querySelector('.question').textContent,
                 pictures: document.querySelectorAll('#list img').length };
      }
    """
    seen = browse(path, script, tmp_path)
    assert seen["title"] == "Report: run"
    assert seen["said"] == EVIL
    assert seen["asked"] == f"{EVIL} 0"
    assert seen["pictures"] == 10


def test_style_and_script_belong_to_the_package():
    import gar.benchmarks

    folder = Path(gar.benchmarks.__file__).parent
    assert all((folder / f"report.{ending}").is_file() for ending in ("html.j2", "css", "js"))
