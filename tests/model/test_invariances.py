"""What must not matter, whatever the pictures and regions are: the order of things, and what else is in a batch."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gar import GARProcessor, Region

SIZES = st.tuples(st.integers(20, 120), st.integers(20, 120))
EDGES = st.tuples(st.floats(0, 0.8), st.floats(0, 0.8), st.floats(0.05, 1), st.floats(0.05, 1))


@st.composite
def samples(draw):
    """A picture's size, regions in it, and the prompt number of each."""
    height, width = draw(SIZES)
    prompts = draw(st.lists(st.integers(0, 4), min_size=1, max_size=4, unique=True))
    regions = []
    for _ in prompts:
        x, y, w, h = draw(EDGES)
        box = (x * width, y * height, min(width, (x + w) * width), min(height, (y + h) * height))
        regions.append(Region.box(*box, whole=draw(st.booleans())))
    return (height, width), regions, prompts


@pytest.fixture(scope="module", params=["published", "everything"])
def ask(request, tiny_tokenizer, make_config, make_model, make_picture):
    """Logits of the last four tokens of each sample of a batch, of a small model of either kind."""
    settings = {}
    if request.param == "everything":
        vision = {"stem": "efficientnet-lite0", "stem_classes": 3, "patch_size": 16}
        tokens = [tiny_tokenizer.convert_tokens_to_ids(f"<Prompt{number}>") for number in range(5)]
        sights = {"stem_embedding": True, "closeup_size": 32, "color_levels": 2, "class_token_ids": [50, -1, 51]}
        places = {"box_embedding": True, "outline_size": 3, "prompt_token_ids": tokens}
        settings = {"vision": vision, "mask_token": True, "projector_pooling_ratio": 1, **sights, **places}
    config = make_config(**settings)
    model, processor = make_model(config), GARProcessor(tiny_tokenizer, config, max_num_tiles=4)

    @torch.no_grad()
    def logits(batch, texts=None):
        pictures = [make_picture(*size, seed=sum(size)) for size, *_ in batch]
        texts = texts or [processor.question_text(f"Is <Prompt{own[0]}> red?", own) for _, _, own in batch]
        inputs = processor(pictures, texts, [own for _, own, _ in batch], [own for _, _, own in batch])
        positions = (inputs["attention_mask"].cumsum(1) - 1).clamp(min=0)
        return model(**inputs, position_ids=positions, logits_to_keep=4).logits

    logits.processor = processor
    return logits


def same(one, other):
    """Logits of fresh weights are some units wide; rounding (of activations of some hundreds) moves them by 0.001."""
    torch.testing.assert_close(one, other, rtol=1e-2, atol=1e-2)


@settings(max_examples=12)
@given(sample=samples(), data=st.data())
def test_regions_given_in_another_order_with_their_prompts_are_the_same_question(ask, sample, data):
    size, regions, prompts = sample
    order = data.draw(st.permutations(range(len(regions))))
    text = [ask.processor.question_text("What?", prompts)]
    turned = size, [regions[k] for k in order], [prompts[k] for k in order]
    same(ask([turned], text), ask([sample], text))


@settings(max_examples=12)
@given(batch=st.lists(samples(), min_size=2, max_size=3), data=st.data())
def test_what_else_is_in_a_batch_and_in_which_order_does_not_matter(ask, batch, data):
    order = data.draw(st.permutations(range(len(batch))))
    alone = [ask([sample])[0] for sample in batch]
    for logits, number in zip(ask([batch[k] for k in order]), order, strict=True):
        same(logits, alone[number])
