"""A batch gives token for token what one by one gives (float32)."""

from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from gar import Region, Request

NAMES = ["with_thumbnail", "without_thumbnail"]
WORDS = ["Is", "it", "red", "<Prompt0>", "left", "of", "the", "circle", "Why", "?"]


@st.composite
def regions(draw):
    """A box somewhere in a picture of at least 30 × 50, whole or an ellipse."""
    x, y = draw(st.integers(0, 20)), draw(st.integers(0, 40))
    width, height = draw(st.integers(1, 60)), draw(st.integers(1, 60))
    return Region.box(x, y, x + width, y + height, whole=draw(st.booleans()))


requests = st.tuples(
    st.integers(0, 2),  # which picture
    st.one_of(st.none(), st.lists(st.sampled_from(WORDS), min_size=1, max_size=30).map(" ".join)),
    st.lists(regions(), min_size=1, max_size=5),
)


@contextmanager
def leads(model):
    """How far each token written meanwhile is ahead of the next likely one, as logits."""
    found = []

    def note(_, __, logits):
        first, second = logits.detach().flatten(0, -2).topk(2).values.T
        found.extend((first - second).tolist())

    hook = model.lm_head.register_forward_hook(note)
    try:
        yield found
    finally:
        hook.remove()


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=st.lists(requests, min_size=2, max_size=6), batch_size=st.integers(2, 6))
def test_a_batch_says_what_one_by_one_says(request, pictures, name, asked, batch_size):
    assistant = request.getfixturevalue(name)
    batch = [Request(pictures[n], text, own if text else own[:1]) for n, text, own in asked]
    together = assistant.batch(batch, batch_size=batch_size, max_new_tokens=6)
    for one, answer in zip(batch, together, strict=True):
        with leads(assistant.model) as found:
            alone = assistant.batch([one], max_new_tokens=6)[0]
        assert len(found) >= alone.new_tokens
        assume(min(found) > 1e-4)  # else rounding decides which of two tokens is written
        assert answer.text == alone.text
        assert (answer.prompt_tokens, answer.new_tokens) == (alone.prompt_tokens, alone.new_tokens)
        assert answer.finish_reason == alone.finish_reason
        assert answer.regions == tuple(one.regions)


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_writes_the_same_token_ids(request, pictures, name):
    """The texts of broken characters may hide a difference; the ids may not."""
    assistant = request.getfixturevalue(name)
    processor, model = assistant.processor, assistant.model
    rng = np.random.default_rng(0)
    rows = []
    for n in range(9):
        own = [Region.box(x, y, x + 20, y + 25) for x, y in rng.integers(0, 25, (1 + n % 5, 2))]
        text = processor.question_text("Is <Prompt0> " + "red " * int(rng.integers(0, 40)), range(len(own)))
        rows.append((pictures[n % 3], text, own))
    options = {"max_new_tokens": 12, "do_sample": False, "pad_token_id": processor.tokenizer.pad_token_id}
    inputs = processor(*zip(*rows, strict=True))
    assert len({tuple(grid) for grid in inputs["tile_grid"].tolist()}) == 3
    together = model.generate(**inputs, **options)[:, inputs["input_ids"].shape[1] :].tolist()
    for row, ids in zip(rows, together, strict=True):
        single = processor(*[[part] for part in row])
        alone = model.generate(**single, **options)[0, single["input_ids"].shape[1] :].tolist()
        assert ids[: len(alone)] == alone
        assert len(set(ids)) > 1


def test_an_answer_does_not_depend_on_its_neighbours_or_its_place_in_the_batch(without_thumbnail, pictures):
    asked = Request(pictures[2], "What is <Prompt0>?", [Region.box(5, 5, 25, 45)])
    others = [Request(picture, "Is <Prompt0> red?", [Region.box(2, 2, 28, 48)]) for picture in pictures]
    batches = [[asked], [asked, *others], [others[0], asked], [*others, asked]]
    answers = [without_thumbnail.batch(batch, max_new_tokens=8)[batch.index(asked)] for batch in batches]
    assert len({answer.text for answer in answers}) == 1


def test_options_and_free_answers_share_a_batch_in_order(assistant, wide, left, right):
    free = Request(wide, "What is <Prompt0>?", [left])
    chosen = Request(wide, "What is <Prompt1>?", [left, right], choices=["red", "blue"])
    described = Request(wide, None, [right])
    answers = assistant.batch([chosen, free, chosen, described], max_new_tokens=4, batch_size=2)
    assert [answer.finish_reason == "choice" for answer in answers] == [True, False, True, False]
    assert answers[0].probabilities == answers[2].probabilities
    assert answers[1].text == assistant.batch([free], max_new_tokens=4)[0].text
    assert answers[3].text == assistant.describe(wide, right, max_new_tokens=4).text
