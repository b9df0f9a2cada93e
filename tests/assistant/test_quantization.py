"""8-bit linear layers on a CPU: close to what they replace, counted once, refused where they do not go."""

import pytest
import torch

import gar
from gar import GAR, InputError, Region, Request
from gar.assistant.quantization import Int8Linear, parameter_count


@pytest.fixture(scope="module")
def saved(make_assistant, tmp_path_factory):
    """A folder with a model whose head is its embeddings, as in the published 1B model."""
    assistant = make_assistant(seed=3, text={"tie_word_embeddings": True, "hidden_size": 64, "num_attention_heads": 4})
    folder = tmp_path_factory.mktemp("tied")
    assistant.model.save_pretrained(folder)
    assistant.processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def both(saved):
    """The model as it is, and in 8 bits."""
    return gar.load(saved, dtype="float32"), gar.load(saved, dtype="float32", quantize="int8")


def test_in_8_bits_options_keep_nearly_their_probabilities(both, pictures):
    plain, small = both
    regions = [Region.box(x, y, x + 12, y + 20) for x in (1, 12) for y in (2, 20, 28)]
    choices = ["red", "blue", "<Prompt0>"]
    requests = [Request(p, "What is <Prompt0>?", [region], choices) for p in pictures for region in regions]
    found = [assistant.batch(requests) for assistant in (plain, small)]
    likely, near = (
        torch.tensor([[answer.probabilities[c] for c in choices] for answer in answers]) for answers in found
    )
    assert (likely - near).abs().mean() < 0.1
    agreed = sum(a.choice == b.choice for a, b in zip(*found, strict=True)) / len(requests)
    assert agreed >= 0.8


def test_in_8_bits_the_features_of_a_region_are_nearly_the_same(both, wide, left):
    told = [
        assistant.encode(wide, left).kept[(left,), (assistant.processor.single_prompt,)].features for assistant in both
    ]
    assert told[0] is not None
    for name in ("image", "replay"):
        plain, small = (torch.cat([*getattr(features, name)]).flatten() for features in told)
        assert torch.cosine_similarity(plain, small, dim=0) > 0.98


def test_in_8_bits_a_batch_a_scene_and_a_dialogue_work(both, wide, left, right):
    small = both[1]
    scene = small.encode(wide, [left, right], way="shared")
    assert all(answer.new_tokens for answer in small.describe(scene, max_new_tokens=4))
    dialogue = small.chat(scene)
    assert dialogue.ask("Why?", max_new_tokens=4).new_tokens
    assert dialogue.ask("And?", max_new_tokens=4).new_tokens


def test_in_8_bits_a_token_does_not_depend_on_the_tokens_beside_it(both):
    model = both[1].model
    generator = torch.Generator().manual_seed(0)
    for layer in (model.lm_head, model.model.language_model.layers[0].mlp.down_proj):
        rows = torch.randn(2, 5, layer.in_features, generator=generator)
        rows[0, 1] *= 100  # a neighbour that is much larger than all others
        rows[1, 2] = 0
        rows[1, 3] = rows[1, 3].abs()
        with torch.inference_mode():
            together = layer(rows)
            alone = torch.cat([layer(row) for row in rows.flatten(0, 1).split(1)])
        assert torch.equal(together.flatten(0, 1), alone)


@pytest.mark.parametrize("bias", [True, False])
def test_in_8_bits_each_product_is_near_that_of_the_layer_it_replaces(bias):
    generator = torch.Generator().manual_seed(0)
    layer = torch.nn.Linear(64, 48, bias=bias)
    rows = torch.randn(3, 7, 64, generator=generator) * torch.logspace(-9, 9, 7)[:, None]
    rows[2, 4] = 0
    with torch.inference_mode():
        plain, small = layer(rows), Int8Linear(layer)(rows)
    far = (plain - small).norm(dim=-1) / plain.norm(dim=-1).clamp(min=1e-30)
    assert far.max() < 0.04
    assert small.shape == plain.shape
    assert Int8Linear(layer)(rows[:0]).shape == (0, 7, 48)


def test_what_is_in_8_bits_cannot_be_saved_without_a_word(both, tmp_path):
    with pytest.raises(InputError, match=r"8 bits cannot be saved; load the model without quantize"):
        both[1].model.save_pretrained(tmp_path)


def test_parameters_are_counted_once_in_8_bits_too(both):
    plain, small = both
    count = sum(parameter.numel() for parameter in plain.model.parameters())  # a tied head once
    assert parameter_count(plain.model) == count
    assert parameter_count(small.model) == count
    assert small.info()["parameters"] == count


def test_a_head_of_its_own_is_counted_in_8_bits(make_assistant, tmp_path):
    assistant: GAR = make_assistant()
    assistant.model.save_pretrained(tmp_path)
    assistant.processor.save_pretrained(tmp_path)
    assert not assistant.model.config.tie_word_embeddings
    small = gar.load(tmp_path, quantize="int8")
    assert small.info()["parameters"] == assistant.info()["parameters"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quantize": "int4"}, "quantize is 'int4'; allowed: None, 'int8' on a CPU"),
        ({"quantize": "int8", "dtype": "bfloat16"}, "it needs a CPU and float32"),
    ],
)
def test_what_cannot_be_quantised_is_refused(saved, options, message):
    with pytest.raises(InputError, match=message):
        gar.load(saved, **options)


def test_a_configuration_of_transformers_needs_another_device(saved):
    from transformers import BitsAndBytesConfig

    with pytest.raises(InputError, match="on a CPU: 'int8'"):
        gar.load(saved, device="cpu", quantize=BitsAndBytesConfig(load_in_8bit=True))
