"""Models that enlarge each region, to a tile or to a close-up of its own, answer as their own `generate` does."""

import pytest
from counting import counted
from plain_answers import plainly, shared_plainly

from gar import Region, Request

ENLARGED = {
    "no mask token": {"region_crops": True},
    "mask token": {"region_crops": True, "mask_token": True},
    "close-ups": {
        "vision": {"stem": "efficientnet-lite0", "patch_size": 16},
        "projector_pooling_ratio": 1,
        "mask_token": True,
        "stem_embedding": True,
        "closeup_size": 64,
    },
}


@pytest.fixture(scope="module", params=ENLARGED)
def cropping(request, make_assistant):
    return make_assistant(**ENLARGED[request.param], seed=2)


@pytest.fixture
def regions():
    return [Region.box(2, 2, 14, 22), Region.box(10, 20, 25, 40), Region.box(3, 5, 28, 44)]


def test_a_batch_of_regions_says_what_generate_says_of_each_alone(cropping, pictures, regions):
    requests = [Request(picture, None, [region]) for picture in pictures for region in regions]
    prompt, text = [cropping.processor.single_prompt], cropping.processor.describe_text()
    expected = [plainly(cropping, one.picture, text, one.regions, prompt) for one in requests]
    assert [answer.text for answer in cropping.batch(requests, max_new_tokens=8)] == expected
    for picture in pictures:
        scene = cropping.encode(picture, regions)
        said = [answer.text for answer in cropping.describe(scene, max_new_tokens=8)]
        assert said == [e for e, one in zip(expected, requests, strict=True) if one.picture is picture]


def test_a_shared_scene_says_what_generate_says_of_the_whole_text(cropping, pictures, regions):
    for picture in pictures:
        scene = cropping.encode(picture, regions, way="shared")
        said = [answer.text for answer in cropping.describe(scene, max_new_tokens=8)]
        assert said == [shared_plainly(cropping, picture, regions, number) for number in range(3)]


def test_questions_and_dialogues_say_what_generate_says(cropping, pictures, regions):
    for picture in pictures:
        text = cropping.processor.question_text("Is <Prompt2> red?", range(3))
        expected = plainly(cropping, picture, text, regions, range(3))
        assert cropping.ask(picture, "Is <Prompt2> red?", regions, max_new_tokens=8).text == expected
        assert cropping.chat(picture, regions).ask("Is <Prompt2> red?", max_new_tokens=8).text == expected


def test_regions_alone_are_looked_at_once_a_scene(cropping, wide, regions):
    scene = cropping.encode(wide, regions)
    with counted(cropping) as done:
        cropping.describe(scene, max_new_tokens=4)
        cropping.describe(scene, max_new_tokens=4)
    assert (done.stem, done.tower) == (0, 0)
