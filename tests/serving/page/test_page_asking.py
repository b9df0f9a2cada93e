"""A visitor's questions, put to a real worker with a tiny model."""

import asyncio

import pytest

from gar import GAR, Region
from gar.errors import InputError, PromptError
from gar.serving.page.asking import MAX_QUESTION, Asking
from gar.serving.page.conversation import earlier_turns
from gar.serving.page.visit import Visit
from gar.serving.worker import Worker

BOXES = (Region.box(5, 5, 40, 40), Region.box(30, 20, 70, 50))


@pytest.fixture
def run(tiny_model, tiny_processor, visit):
    """Runs what a function does with an `Asking` whose visit has two regions; gives the states and places seen."""
    for box in BOXES:
        visit.add(box)

    def run(use, max_waiting=8, max_rows=4, max_tokens=1024):
        seen = []

        async def go():
            worker = Worker(GAR(tiny_model, tiny_processor, "tiny"), max_waiting=max_waiting, max_rows=max_rows)
            async with worker:

                def note(turn):
                    seen.append((turn, turn.state, turn.place))

                asking = Asking(visit, {"tiny": worker}, note, max_tokens=max_tokens)
                asking.length = 12
                await use(asking, worker)

        asyncio.run(go())
        return seen

    return run


def described(visit):
    return list(enumerate(visit.marks))


def test_each_region_is_described_in_a_turn_of_its_own_and_the_answers_stream_in(run, visit):
    seen = run(lambda asking, worker: asking.describe(described(visit)))
    assert [(turn.question, list(turn.marks), turn.state) for turn in visit.turns] == [
        (None, [0], "done"),
        (None, [1], "done"),
    ]
    for turn in visit.turns:
        assert turn.text == turn.answer.text
        assert turn.answer.regions == (turn.marks[min(turn.marks)].region,)
    states = [state for turn, state, _ in seen if turn is visit.turns[0]]
    assert states[0] == "waiting"
    assert states[-1] == "done"


def test_an_answer_is_what_the_model_says_when_it_is_asked_directly(run, visit, tiny_model, tiny_processor):
    run(lambda asking, worker: asking.ask(" Is <Prompt0> on <Prompt1>? "))
    direct = GAR(tiny_model, tiny_processor, "tiny").ask(
        visit.picture.image, "Is <Prompt0> on <Prompt1>?", BOXES, max_new_tokens=12
    )
    assert visit.turns[0].text == direct.text


def test_an_answer_is_no_longer_than_the_server_allows(run, visit):
    run(lambda asking, worker: asking.ask("Is <Prompt0> red?"), max_tokens=3)
    assert visit.turns[0].answer.new_tokens == 3


def test_choices_are_scored(run, visit):
    run(lambda asking, worker: asking.ask("Is <Prompt0> red?", ["yes", " ", "no"]))
    (turn,) = visit.turns
    assert set(turn.answer.probabilities) == {"yes", "no"}
    assert sum(turn.answer.probabilities.values()) == pytest.approx(1)


def test_a_question_follows_up_those_before_it_until_the_regions_change(run, visit):
    async def use(asking, worker):
        await asking.describe(described(visit)[:1])
        await asking.ask("Is <Prompt0> red?")
        await asking.ask("And <Prompt1>?")
        first, second = (turn.text for turn in visit.turns[1:])
        assert earlier_turns(visit.turns, visit.marks, "tiny") == [
            ("Is <Prompt0> red?", first),
            ("And <Prompt1>?", second),
        ]
        assert visit.turns[2].answer.prompt_tokens > visit.turns[1].answer.prompt_tokens
        assert earlier_turns(visit.turns, visit.marks, "other") == []
        visit.delete(visit.marks[1].id)
        assert earlier_turns(visit.turns, visit.marks, "tiny") == []
        visit.undo()
        assert len(earlier_turns(visit.turns, visit.marks, "tiny")) == 2
        visit.rename(visit.marks[0].id, "cup")  # a name is for people
        assert len(earlier_turns(visit.turns, visit.marks, "tiny")) == 2

    run(use)


def test_a_new_conversation_forgets_what_was_said(run, visit):
    async def use(asking, worker):
        await asking.ask("Is <Prompt0> red?")
        asking.afresh = True
        await asking.ask("Is <Prompt0> red?")
        assert earlier_turns(visit.turns, visit.marks, "tiny") == [("Is <Prompt0> red?", visit.turns[1].text)]

    run(use)
    assert visit.turns[0].answer.prompt_tokens == visit.turns[1].answer.prompt_tokens
    assert visit.turns[0].text == visit.turns[1].text


def test_what_is_asked_can_be_stopped(run, visit):
    async def use(asking, worker):
        asking.length = 500
        task = asyncio.ensure_future(asking.describe(described(visit)))
        while not visit.turns or not visit.turns[0].text:
            await asyncio.sleep(0.01)
        asking.stop()
        await asyncio.wait_for(task, 5)
        while worker.running or worker.waiting:
            await asyncio.sleep(0.01)

    run(use)
    assert [turn.state for turn in visit.turns] == ["stopped", "stopped"]
    assert visit.turns[0].text  # what was said stays


def test_a_place_in_the_queue_is_told_while_others_are_answered(run, visit):
    async def use(asking, worker):
        asking.length = 60
        await asking.describe(described(visit) * 3)

    seen = run(use, max_rows=1)
    assert all(turn.state == "done" for turn in visit.turns)
    assert max(place for _, state, place in seen if state == "waiting") > 1


@pytest.mark.parametrize(
    ("question", "choices", "words"),
    [
        ("  ", [], "the question is empty"),
        ("Is it?", ["yes"], "one choice"),
        ("x" * (MAX_QUESTION + 1), [], f"{MAX_QUESTION + 1} characters"),
        ("Is it?", ["x" * MAX_QUESTION, "y"], f"{MAX_QUESTION + 1} characters"),
    ],
)
def test_a_question_that_cannot_be_put_becomes_no_turn(run, visit, question, choices, words):
    async def use(asking, worker):
        with pytest.raises(PromptError, match=words):
            await asking.ask(question, choices)

    run(use)
    assert not visit.turns


def test_without_a_picture_or_a_region_nothing_can_be_asked(run, visit):
    async def use(asking, worker):
        visit.clear()
        with pytest.raises(PromptError, match="no region is marked"):
            await asking.ask("Is it?")
        with pytest.raises(InputError, match="no picture is open"):
            await Asking(Visit(5), {"tiny": worker}, lambda turn: None, max_tokens=9).ask("Is it?")

    run(use)


def test_what_the_model_refuses_and_a_full_queue_are_told_in_words(run, visit):
    async def use(asking, worker):
        await asking.ask("Is <Prompt4> red?")
        await asking.describe([*described(visit), *described(visit)])

    run(use, max_waiting=3)
    first, *others = visit.turns
    assert (first.state, "<Prompt4>" in first.error) == ("failed", True)
    assert all(turn.state == "failed" and "allowed are 3" in turn.error for turn in others)
