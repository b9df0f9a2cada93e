"""Scenes: looked at once, asked many times, and every answer as it would be without one."""

from collections import Counter

import pytest
from counting import counted
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plain_answers import plainly, shared_plainly

from gar import InputError, PromptError, Region, RegionError, Request

NAMES = ["with_thumbnail", "without_thumbnail"]


@pytest.fixture
def regions():
    """Seven regions of any of the pictures."""
    corners = [(2, 2, 14, 22), (10, 20, 25, 40), (20, 3, 28, 43), (1, 30, 29, 44), (5, 5, 8, 8), (15, 40, 25, 48)]
    return [Region.box(*corner) for corner in (*corners, (0, 0, 30, 50))]


# equal answers


boxes = st.builds(
    lambda x, y, w, h, whole: Region.box(x, y, x + w, y + h, whole=whole),
    st.integers(0, 20),
    st.integers(0, 40),
    st.integers(1, 40),
    st.integers(1, 40),
    st.booleans(),
)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(picture=st.integers(0, 2), own=st.lists(boxes, min_size=1, max_size=7), limit=st.sampled_from([None, 400, 900]))
def test_an_exact_scene_says_what_generate_says_of_each_region_alone(request, pictures, name, picture, own, limit):
    assistant = request.getfixturevalue(name)
    scene = assistant.encode(pictures[picture], own)
    texts = [answer.text for answer in assistant.describe(scene, max_new_tokens=6, max_batch_tokens=limit)]
    prompt, text = [assistant.processor.single_prompt], assistant.processor.describe_text()
    assert texts == [plainly(assistant, pictures[picture], text, [region], prompt, new=6) for region in own]


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(picture=st.integers(0, 2), own=st.lists(boxes, min_size=1, max_size=5), limit=st.sampled_from([None, 400]))
def test_a_shared_scene_says_what_generate_says_of_the_whole_text(request, pictures, name, picture, own, limit):
    assistant = request.getfixturevalue(name)
    scene = assistant.encode(pictures[picture], own, way="shared")
    texts = [answer.text for answer in assistant.describe(scene, max_new_tokens=6, max_batch_tokens=limit)]
    numbers = [own.index(region) for region in own]  # of equal regions, the first is meant
    assert texts == [shared_plainly(assistant, pictures[picture], own, number, new=6) for number in numbers]


@pytest.mark.parametrize("way", ["exact", "shared"])
def test_a_question_about_a_scene_is_answered_as_without_one(assistant, pictures, regions, way):
    for picture in pictures:
        scene = assistant.encode(picture, regions[:4], way=way)
        for question in ("What is <Prompt0>?", "Is <Prompt1> left of <Prompt3>?", "Why"):
            alone = assistant.ask(picture, question, regions[:4], max_new_tokens=8)
            assert assistant.ask(scene, question, max_new_tokens=8).text == alone.text
            assert "".join(assistant.stream(scene, question, max_new_tokens=8)) == alone.text
            assert alone.text == plainly(
                assistant, picture, assistant.processor.question_text(question, range(4)), regions[:4], range(4)
            )


@pytest.mark.parametrize("way", ["exact", "shared"])
def test_options_of_a_scene_have_the_probabilities_that_they_have_without_one(assistant, wide, left, right, way):
    scene = assistant.encode(wide, [left, right], way=way)
    choices = ["red", "blue", "<Prompt1>"]
    for question in ("What color is <Prompt0>?", "Which is red?"):
        alone = assistant.ask(wide, question, [left, right], choices=choices).probabilities
        assert assistant.ask(scene, question, choices=choices).probabilities == pytest.approx(alone, rel=1e-4)


def test_more_regions_than_the_model_can_name_are_shared_in_groups(assistant, wide, regions):
    scene = assistant.encode(wide, regions, way="shared")
    texts = [answer.text for answer in assistant.describe(scene, max_new_tokens=6)]
    for group in (regions[:5], regions[5:]):
        own = assistant.describe(assistant.encode(wide, group, way="shared"), max_new_tokens=6)
        assert [answer.text for answer in own] == [texts[regions.index(region)] for region in group]
    with pytest.raises(PromptError, match="7 regions"):
        assistant.ask(scene, "Is it red?")


def test_regions_that_a_scene_does_not_know_are_shown_as_without_it(assistant, wide, left, right):
    for way in ("exact", "shared"):
        scene = assistant.encode(wide, [left], way=way)
        for ask in (
            lambda picture: assistant.describe(picture, right, max_new_tokens=8),
            lambda picture: assistant.ask(picture, "Is <Prompt1> red?", [right, left], max_new_tokens=8),
        ):
            assert ask(scene).text == ask(wide).text
        known = assistant.describe(scene, left, max_new_tokens=8)
        assert known.text == assistant.describe(scene, max_new_tokens=8)[0].text


def test_scenes_and_pictures_share_a_batch(assistant, pictures, left, right):
    ways = ("exact", "shared", "exact")
    scenes = [assistant.encode(picture, [left], way=way) for picture, way in zip(pictures, ways, strict=True)]
    requests = [
        Request(scenes[0], None),
        Request(pictures[0], None, [left]),
        Request(scenes[1], "What is <Prompt0>?"),
        Request(pictures[1], "What is <Prompt0>?", [left]),
        Request(scenes[2], "Is <Prompt0> red?", choices=["yes", "no"]),
        Request(pictures[2], "Is <Prompt0> red?", [left], choices=["yes", "no"]),
    ]
    answers = assistant.batch(requests, max_new_tokens=6)
    for one, other in zip(answers[::2], answers[1::2], strict=True):
        assert one.text == other.text
        assert one.prompt_tokens == other.prompt_tokens


def test_an_answer_of_a_shared_scene_names_the_region_that_it_describes(assistant, wide, left, right):
    scene = assistant.encode(wide, [left, right], way="shared")
    assert [answer.regions for answer in assistant.describe(scene, max_new_tokens=1)] == [(left,), (right,)]
    assert assistant.ask(scene, "Is it?", max_new_tokens=1).regions == (left, right)


# nothing twice


def test_tiles_that_no_region_touches_go_through_the_tower_once(with_thumbnail, wide):
    """The wide picture has two tiles and a thumbnail; a region on its left touches the first and the thumbnail."""
    on_the_left = [Region.box(x, 5, x + 10, 30) for x in (2, 14, 26)]
    with counted(with_thumbnail) as done:
        with_thumbnail.describe(wide, on_the_left, max_new_tokens=1)
    assert (done.stem, done.tower) == (3, 3 * 2 + 1)


def test_a_scene_is_looked_at_once_however_often_it_is_asked(assistant, wide, left, right):
    for way in ("exact", "shared"):
        scene = assistant.encode(wide, [left, right], way=way)
        first = assistant.describe(scene, max_new_tokens=1), assistant.ask(scene, "Is it?", max_new_tokens=1)
        with counted(assistant) as done:
            again = assistant.describe(scene, max_new_tokens=1), assistant.ask(scene, "Is it?", max_new_tokens=1)
        assert (done.stem, done.tower) == (0, 0)
        assert [a.text for a in again[0]] == [a.text for a in first[0]]
        assert again[1].text == first[1].text


def test_a_shared_scene_is_read_once(assistant, wide, left, right):
    scene = assistant.encode(wide, [left, right], way="shared")
    with counted(assistant) as done:
        answers = assistant.describe(scene, max_new_tokens=1)
    tiles = len(scene.picture.patch_features)
    image = tiles * assistant.model.config.tokens_per_tile
    assert done.read < sum(answer.prompt_tokens - image for answer in answers)


def test_a_second_question_about_a_scene_costs_its_own_tokens(assistant, wide, left, right):
    for way in ("exact", "shared"):
        scene = assistant.encode(wide, [left, right], way=way)
        assistant.ask(scene, "What is <Prompt0>?", max_new_tokens=1)
        question = "Is <Prompt1> red?"
        with counted(assistant) as done:
            assistant.ask(scene, question, max_new_tokens=1)
        processor = assistant.processor
        asked = processor.question_text(question, range(2)).rpartition(processor.crop_tokens[1])[2]
        assert done.read == len(processor.token_ids(asked, 0))


def test_questions_about_the_same_regions_read_the_picture_once(assistant, wide, left, right):
    requests = [Request(wide, f"Is <Prompt{n % 2}> red? {'Why? ' * n}", [left, right]) for n in range(6)]
    with counted(assistant) as done:
        answers = assistant.batch(requests, max_new_tokens=1)
    assert done.stem == done.tower
    assert done.read < 2 * answers[0].prompt_tokens + 6 * 40


def test_one_picture_given_to_many_requests_is_read_once(assistant, wide, regions, tmp_path):
    wide.save(tmp_path / "picture.png")
    for picture in (tmp_path / "picture.png", str(tmp_path / "picture.png"), (tmp_path / "picture.png").read_bytes()):
        with counted(assistant) as done:
            assistant.batch([Request(picture, None, [region]) for region in regions], max_new_tokens=1)
        with counted(assistant) as once:
            assistant.describe(picture, regions[0], max_new_tokens=1)
        assert done.stem == once.stem


def test_what_a_scene_keeps_does_not_grow_with_the_questions(assistant, wide, left, right):
    scene = assistant.encode(wide, [left, right])

    def kept():
        return Counter({name: len(shown.prefixes) for name, shown in scene.kept.items()})

    assistant.ask(scene, "What is <Prompt0>?", max_new_tokens=1)
    before = kept()
    for number in range(5):
        assistant.ask(scene, "What is <Prompt0>? " + "red " * number, max_new_tokens=1)
        assistant.describe(scene, Region.box(5, 5, 20 + number, 30), max_new_tokens=1)
        assistant.ask(scene, "What is <Prompt0>?", [right, left], max_new_tokens=1)
    assert kept() == before


# mistakes


def test_a_scene_belongs_to_its_model(assistant, make_assistant, wide, left):
    scene = make_assistant(seed=9).encode(wide, left)
    with pytest.raises(InputError, match="encoded by another model"):
        assistant.describe(scene)


def test_mistakes_in_encoding_say_what_is_allowed(assistant, wide, left):
    with pytest.raises(InputError, match="way is 'both'; allowed: 'exact', 'shared'"):
        assistant.encode(wide, left, way="both")
    with pytest.raises(PromptError, match="the shared way needs at least 1"):
        assistant.encode(wide, way="shared")
    with pytest.raises(RegionError, match="120"):
        assistant.encode(wide, Region.box(200, 10, 220, 20))
    with pytest.raises(PromptError, match="no regions were given"):
        assistant.describe(wide)
    with pytest.raises(PromptError, match="no region was given"):
        assistant.ask(assistant.encode(wide), "What?")
    with pytest.raises(PromptError, match="2 regions without a question"):
        assistant.batch([Request(assistant.encode(wide, [left, left]), None)])


def test_a_picture_alone_can_be_encoded_for_regions_to_come(assistant, wide, left):
    scene = assistant.encode(wide)
    assert assistant.describe(scene) == []
    with counted(assistant) as done:
        text = assistant.describe(scene, left, max_new_tokens=8).text
    assert done.stem == 0
    assert text == assistant.describe(wide, left, max_new_tokens=8).text


def test_a_scene_says_what_it_is(assistant, wide, left):
    assert repr(assistant.encode(wide, left)) == "<EncodedScene of 50 x 120, 1 regions, exact>"


def test_a_region_cut_at_the_edge_is_noted_in_every_way(assistant, wide):
    cut = Region.box(100, 10, 130, 40)
    for way in ("exact", "shared"):
        (answer,) = assistant.describe(assistant.encode(wide, cut, way=way), max_new_tokens=1)
        assert answer.notes == (cut.note((50, 120)),)
