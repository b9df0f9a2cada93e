"""Answers from files, the published ones and our own form."""

import json

import pytest

from gar.errors import InputError
from gar.systems import Question, make_system
from gar.systems.answers_file import read_answers


def write(folder, name, content):
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def texts(path):
    return {key: reply.text for key, reply in read_answers(path).items()}


@pytest.mark.parametrize(
    ("name", "count", "key", "start"),
    [
        ("gar-bench/model_outputs/gar_1b_vqa.json", 424, "0", "C"),
        ("gar-bench/model_outputs/gar_1b_simple.json", 97, "0", "<Prompt1> is beside"),
        ("gar-bench/model_outputs/gar_1b_detailed.json", 107, "0", "A person with shoulder-length"),
        ("dlc-bench/model_outputs/gar_1b.json", 100, "279135", "The ski features"),
        ("dlc-bench/model_outputs_dam/dam_3b_v1.json", 101, "279135", "The skis are"),
        ("ferret-bench/model_outputs/gar_1b.json", 40, "0", "A rectangular signboard"),
        ("ferret-bench/gpt4_result/gar_1b/refer_desc/ferret_answer.jsonl", 40, "39", ""),
        ("mdvp-bench/model_outputs/gar_1b.json", 364, "0", "Friday, Sep 2"),
    ],
)
def test_published_answers_are_read_as_they_are(shared, name, count, key, start):
    answers = texts(shared / "bench" / name)
    assert len(answers) == count
    assert answers[key].startswith(start)


def test_both_published_forms_of_ferrets_answers_agree_by_place(shared):
    bench = shared / "bench" / "ferret-bench"
    records = texts(bench / "model_outputs" / "gar_1b.json")
    lines = texts(bench / "gpt4_result" / "gar_1b" / "refer_desc" / "ferret_answer.jsonl")
    assert records == lines


def test_questions_find_their_answers_and_a_missing_one_is_an_error(tmp_path):
    path = write(tmp_path, "mine.jsonl", '{"key": "b", "text": "B"}\n\n{"key": 7, "error": "timed out"}\n')
    system = make_system(f"file:{path}")
    replies = list(system.answer([Question("", [], key=key) for key in ("7", "b", "c")]))
    assert [(reply.text, reply.error) for reply in replies] == [
        ("", "timed out"),
        ("B", None),
        ("", "mine.jsonl has no answer for item 'c'"),
    ]
    assert system.name == "file:mine.jsonl"


def test_a_file_with_other_answers_is_another_system_and_a_moved_one_is_not(tmp_path):
    path = write(tmp_path, "mine.jsonl", '{"key": "b", "text": "B"}\n')
    before = make_system(f"file:{path}").settings
    (tmp_path / "moved").mkdir()
    assert make_system(f"file:{path.rename(tmp_path / 'moved/mine.jsonl')}").settings == before
    path = write(tmp_path, "mine.jsonl", '{"key": "b", "text": "C"}\n')
    assert make_system(f"file:{path}").settings != before


def test_the_answers_of_a_run_find_their_items_and_what_was_asked_again_counts(tmp_path):
    failed = {"item": "b", "replies": {"written": {"text": None, "error": "TimeoutError: x", "probabilities": None}}}
    again = {"item": "b", "replies": {"written": {"text": "B", "error": None, "probabilities": None}}}
    lines = [failed, {"item": "a", "text": "A"}, again]
    path = write(tmp_path, "answers.jsonl", "\n".join(map(json.dumps, lines)))
    assert texts(path) == {"b": "B", "a": "A"}
    assert read_answers(write(tmp_path, "failed.jsonl", json.dumps(failed)))["b"].error == "TimeoutError: x"


def test_predictions_of_videos_are_not_taken_for_their_references(tmp_path):
    records = [{"video": "a.mp4", "caption": "the reference", "pred": "the answer"}]
    assert texts(write(tmp_path, "d.json", records)) == {"0": "the answer"}


def test_line_breaks_within_an_answer_do_not_break_lines(tmp_path):
    assert texts(write(tmp_path, "a.jsonl", '{"text": "one\u2028two\u0085three"}')) == {"0": "one\u2028two\u0085three"}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.json", "{", "not JSON"),
        ("a.jsonl", "{}\n{", "not JSON"),
        ("a.json", "[]", "needed are records"),
        ("a.json", "{}", "needed are records"),
        ("a.json", '"text"', "needed are records"),
        ("a.json", '{"1": 2}', "needed are records"),
        ("a.json", "[1]", "record 0 of a.json is int"),
        ("a.json", [{"answer": "x"}], "the answer must be in one of text, model_output, pred, caption"),
        ("a.json", [{"text": "x", "key": "1"}, {"text": "y"}], "some records have a key"),
        ("a.json", [{"text": "x", "key": "1"}, {"text": "y", "key": 1}], "'1' stands twice"),
    ],
)
def test_other_files_are_refused_with_the_place_of_the_mistake(tmp_path, name, content, said):
    with pytest.raises(InputError, match=said):
        read_answers(write(tmp_path, name, content))


def test_a_file_that_is_not_there_or_not_text_is_refused(tmp_path):
    (tmp_path / "raw.json").write_bytes(b"\xff\xfe")
    for name in ("none.json", "raw.json", ""):
        with pytest.raises(InputError, match="cannot read the answers"):
            read_answers(tmp_path / name)
