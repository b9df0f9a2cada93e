import pytest

from gar.errors import InputError
from gar.graspworld.nouns import CATEGORIES, COCO_NOUNS, NOUNS, canonical_noun, imagenet_noun, noun_entry


def test_all_eighty_coco_classes_are_nouns():
    assert len(COCO_NOUNS) == 80
    assert set(COCO_NOUNS.values()) <= set(NOUNS)
    assert list(COCO_NOUNS)[:2] == ["person", "bicycle"]
    assert list(COCO_NOUNS)[-1] == "toothbrush"
    assert COCO_NOUNS["mouse"] == "computer mouse"


def test_every_noun_is_reached_by_its_name_and_each_synonym_leads_to_one_noun():
    taken = set(NOUNS)
    for noun in NOUNS.values():
        assert canonical_noun(noun.name) == noun.name
        assert canonical_noun(noun.phrase) == noun.name
        assert noun.category in CATEGORIES
        for word in noun.synonyms:
            assert word not in taken, word
            taken.add(word)
            assert canonical_noun(word) == noun.name


def test_articles_follow_the_first_sound():
    for noun in NOUNS.values():
        vowel = (noun.name[0] in "aeiou" or noun.name in ("hourglass", "suv")) and not noun.name.startswith("uni")
        assert noun.article in ("", "the", "an" if vowel else "a"), noun
        assert not (noun.plural and noun.article), noun


@pytest.mark.parametrize(
    ("text", "noun"),
    [
        ("The sofas.", "couch"),
        ("mice", "mouse"),
        ("two glasses of milk", None),
        ("glasses of milk", "glass of milk"),
        ("a mobile phone", "cell phone"),
        ("cherry", "cherries"),
        ("butterflies", "butterfly"),
        ("some  Fire_Trucks", "fire truck"),
        ("glasses", "glasses"),
        ("", None),
    ],
)
def test_words_find_their_noun(text, noun):
    assert canonical_noun(text) == noun


def test_an_unknown_noun_is_refused_with_the_one_that_is_meant():
    with pytest.raises(InputError, match="'airplane'"):
        noun_entry("plane")
    with pytest.raises(InputError, match="quark"):
        noun_entry("quark")


def test_imagenet_classes_are_kinds_of_our_nouns():
    assert [imagenet_noun(index) for index in (0, 207, 281, 340, 817, 954)] == [
        "fish", "dog", "cat", "zebra", "car", "banana",
    ]  # fmt: skip
    assert imagenet_noun("n02123045") == "cat"
    nouns = [imagenet_noun(index) for index in range(1000)]
    assert sum(noun is not None for noun in nouns) > 800
    assert set(nouns) - {None} <= set(NOUNS)


def test_an_imagenet_class_that_does_not_exist_is_refused():
    for wrong in (1000, -1, "n00000000"):
        with pytest.raises(InputError, match=str(wrong)):
            imagenet_noun(wrong)
