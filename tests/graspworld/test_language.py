"""Questions: true answers, wrong options that are wrong, and no prior that guesses them."""

import re
from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np
import pytest

from gar.errors import PromptError
from gar.graspworld import (
    ATTRIBUTES,
    CAPTION_KINDS,
    COLORS,
    DRILLS,
    KINDS,
    RELATIONS,
    attribute_words,
    choose_prompts,
    read_caption,
    read_relation,
    relation_is_true,
    render_scene,
    write_turns,
)
from gar.graspworld.asking_surfaces import TEXTURES
from gar.graspworld.color_names import SECOND, THIRD, fitting_shares
from gar.graspworld.facts import group_of
from gar.graspworld.naming import differ_clearly
from gar.graspworld.nouns import NOUNS
from gar.graspworld.outlines import OUTLINES
from gar.graspworld.relations import false_relations, relation, true_relations
from gar.graspworld.turn import LETTER_ALONE
from gar.graspworld.usual import USUAL, wrong_usual
from gar.graspworld.vocabulary import opposite
from gar.graspworld.wording import POSITION_QUESTIONS

LETTERS = "ABCD"
RELATIONS_SAID = ("relation", "relation-turned", "front-or-behind")


def ask(count, kinds=KINDS + DRILLS, first=0):
    """Asks about `count` scenes, with two draws of prompts each: (scene, prompts, turn)."""
    found = []
    for seed in range(first, first + count):
        scene, rng = render_scene(seed, size=(192, 208)), np.random.default_rng(seed)
        for _ in range(2):
            prompts = choose_prompts(scene, rng)
            found.extend((scene, prompts, turn) for turn in write_turns(scene, prompts, rng, kinds=kinds))
    return found


@pytest.fixture(scope="module")
def turns():
    return ask(240)


def own_words(scene, prompts, turn):
    return attribute_words(scene.objects[prompts[turn.prompts[0]]])


def said_option(turn):
    return turn.choices[LETTERS.index(turn.answer[-1])]


def test_every_kind_is_asked_and_names_its_prompts(turns):
    assert {turn.kind for _, _, turn in turns} == set(KINDS + DRILLS)
    for _, prompts, turn in turns:
        assert set(turn.prompts) <= set(prompts)
        named = {int(number) for number in re.findall(r"<Prompt(\d)>", turn.question + turn.answer)}
        assert named <= set(turn.prompts)
        assert "  " not in turn.question + turn.answer


def test_attributes_are_those_of_the_object(turns):
    asked = Counter()
    for scene, prompts, turn in turns:
        kind = turn.kind.removeprefix("choice-").removesuffix("-reasoned")
        if kind not in ("noun", *ATTRIBUTES):
            continue
        said = said_option(turn) if turn.choices else turn.answer
        words = own_words(scene, prompts, turn)
        assert said == words[kind] or read_caption(said)[kind] == words[kind], turn
        if turn.kind.endswith("-reasoned"):
            assert words[kind] in turn.answer
        for wrong in set(turn.choices) - {said}:
            word = read_caption(f"the {wrong}" if kind == "noun" else wrong)[kind]
            assert differ_clearly(word, words["noun"]) if kind == "noun" else word != words[kind]
        asked[turn.kind] += 1
    assert set(asked) >= {"noun", "color", "choice-noun", "choice-noun-reasoned", "choice-material"}


def colors_in(text):
    return re.findall("|".join(COLORS), re.sub("grey|silver", "gray", text.lower()))


def test_colors_are_offered_for_what_is_of_several(turns):
    """The right ones cover much of it; of the wrong ones at least one covers a fifth of that at most."""
    asked = Counter()
    for scene, prompts, turn in turns:
        if turn.kind != "choice-colors":
            continue
        item = scene.objects[prompts[turn.prompts[0]]]
        assert item.color is None
        named = {choice: colors_in(choice) for choice in turn.choices}
        right = named.pop(turn.right_choice)
        least = min(item.color_shares[word] for word in right)
        assert least >= (THIRD if len(right) == 3 else SECOND)
        for wrong in named.values():
            assert len(wrong) == len(right)
            assert min(item.color_shares[word] for word in wrong) <= least / 5
        asked[len(right)] += 1
    assert set(asked) == {1, 2, 3}


def test_of_colors_that_something_comes_near_to_only_one_is_offered(turns):
    asked = 0
    for scene, prompts, turn in turns:
        if turn.kind == "choice-near-color":
            item = scene.objects[prompts[turn.prompts[0]]]
            assert item.color is None
            fitting = fitting_shares(scene.image, item.mask)
            named = {choice: colors_in(choice) for choice in turn.choices}
            (right,) = named.pop(turn.right_choice)
            assert fitting[right] >= 0.7
            assert all(fitting[word] <= 0.07 for (word,) in named.values())
            asked += 1
    assert asked > 20


def test_outlines_that_are_offered_are_right_and_wrong_ones_plainly_wrong(turns):
    asked = Counter()
    for scene, prompts, turn in turns:
        if turn.kind != "choice-outline":
            continue
        item = scene.objects[prompts[turn.prompts[0]]]
        named = [next(word for word in by_length if word in choice.lower()) for choice in turn.choices]
        own = named.pop(turn.choices.index(turn.right_choice))
        assert own == item.outline
        assert len(set(named)) == 3
        for round_or_straight in ({"circular", "oval", "hexagonal", "ring-shaped"}, {"square", "rectangular"}):
            assert own not in round_or_straight or not round_or_straight & set(named)
        asked[item.shape is None] += 1
    assert set(asked) == {True, False}


def test_what_things_usually_are_is_right_and_wrong_options_are_of_the_same_attribute(turns):
    asked = Counter()
    for scene, prompts, turn in turns:
        attribute = turn.kind.rpartition("usual-")[2]
        if attribute == turn.kind:
            continue
        own = USUAL[attribute][noun_of(scene, prompts, turn)]
        if not turn.choices:
            assert turn.answer == own
        else:
            named = [said_usually(choice) & {*wrong_usual(attribute, own), own} for choice in turn.choices]
            assert named.pop(turn.choices.index(turn.right_choice)) == {own}
            assert all(len(words) == 1 and own not in words for words in named), turn
        asked[turn.kind] += 1
    assert set(asked) == {f"{form}usual-{name}" for form in ("", "choice-") for name in USUAL}


def test_every_noun_that_is_usually_something_is_of_the_world():
    assert all(noun in NOUNS for words in USUAL.values() for noun in words)


def test_textures_are_those_of_the_material(turns):
    asked = Counter()
    for scene, prompts, turn in turns:
        if turn.kind != "choice-texture":
            continue
        item = scene.objects[prompts[turn.prompts[0]]]
        assert item.pattern == "plain"
        own = next(words for group, words in TEXTURES.items() if item.material in group)
        fits = [choice for choice in turn.choices if any(word in choice.lower() for word in own)]
        assert fits == [turn.right_choice]
        asked[item.material] += 1
    assert len(asked) > 2


def test_gray_is_called_silver_only_of_metal(turns):
    said = Counter()
    for scene, prompts, turn in turns:
        if "color" in turn.kind and "silver" in " ".join(turn.choices).lower():
            item = scene.objects[prompts[turn.prompts[0]]]
            assert "metal" in (item.material, USUAL["material"].get(item.noun))
        said.update(re.findall("silver|grey|gray", " ".join(turn.choices).lower()))
    assert min(said["silver"], said["grey"], said["gray"]) > 5


ORDINALS = {
    **{word: n for n, word in enumerate(("first", "second", "third", "fourth", "fifth", "sixth"))},
    **{word: n for n, word in enumerate(("1st", "2nd", "3rd", "4th", "5th", "6th"))},
}


def who_stands(scene, position):
    """The object at a position, such as "The 2nd from the right in the top row"; None if there is none."""
    counted, end = re.search(r"[Tt]he (\w+)(?: one| item)?(?: counting)? from the (\w+)", position).groups()
    among = scene.objects
    apart = 0.12 * scene.image.shape[0]
    if row := re.search(r"(\w+) row(?: from the (\w+))?", position):
        heights = []
        for height in sorted(item.centroid[1] for item in among):
            if not heights or height - heights[-1] > apart:
                heights.append(height)
        named = {"top": 0, "middle": len(heights) // 2, "bottom": -1}
        if row[2] == "bottom":
            heights.reverse()
        height = heights[named[row[1]] if row[1] in named else ORDINALS[row[1]]]
        among = [item for item in among if abs(item.centroid[1] - height) < apart]
    axis = int(end in ("top", "bottom"))
    line = sorted(among, key=lambda item: item.centroid[axis], reverse=end in ("right", "bottom"))
    return line[ORDINALS[counted]] if ORDINALS[counted] < len(line) else None


def noun_of(scene, prompts, turn):
    return scene.objects[prompts[turn.prompts[0]]].noun


def said_usually(text):
    """The words of `USUAL` that a text says, adjectives too."""
    words = {word for name in USUAL for word in USUAL[name].values()}
    text = text.lower().replace("metallic", "metal").replace("wooden", "wood")
    return {word for word in words if re.search(rf"\b{word}\b", text)}


by_length = sorted(OUTLINES, key=len, reverse=True)


def test_full_answers_are_true_and_sentences_seldom_come_unasked(turns):
    said, asked = Counter(), Counter()
    for scene, prompts, turn in turns:
        if turn.kind != "in-full":
            assert "Answer in full." not in turn.question
            continue
        assert not turn.choices
        assert "Options:" not in turn.question
        form = "sentence" if turn.answer.startswith(("It ", "They ", "The ")) else "phrase"
        asked[form * turn.answer.endswith("."), turn.question.endswith("Answer in full.")] += 1
        named = [int(number) for number in re.findall(r"<Prompt(\d)>", turn.answer)]
        if re.search("(in|within) the mirror", turn.question):
            assert_mirrored(scene, prompts, turn, named)
            said["mirror"] += 1
        elif len(named) == 2:
            a, b = (prompts[number] for number in named)
            assert read_relation(turn.answer) in true_relations(scene, a, b)
            said["relation"] += 1
        elif named:
            said["which"] += 1  # "red one": read as a question to which one is right
        elif any(
            turn.question.startswith(asked.format(p=f"<Prompt{turn.prompts[0]}>")) for asked in POSITION_QUESTIONS
        ):
            assert who_stands(scene, turn.answer) is scene.objects[prompts[turn.prompts[0]]]
            said["position"] += 1
        elif {word for name in USUAL for word in [USUAL[name].get(noun_of(scene, prompts, turn))]} & {
            turn.answer.lower().rstrip("."),
            *said_usually(turn.answer),
        }:
            said["usual"] += 1
        elif any(word in turn.answer.lower() for group in TEXTURES.values() for word in group):
            own = scene.objects[prompts[turn.prompts[0]]]
            group = next(group for group in TEXTURES if own.material in group)
            assert any(word in turn.answer.lower() for word in TEXTURES[group]), turn
            said["texture"] += 1
        elif "color" in turn.question and own_words(scene, prompts, turn).get("color") is None:
            shares = scene.objects[prompts[turn.prompts[0]]].color_shares
            assert all(shares[word] >= 0.2 for word in colors_in(turn.answer)), turn
            said["colors"] += 1
        elif "shape" in turn.question and (word := next((w for w in by_length if w in turn.answer.lower()), None)):
            assert word == scene.objects[prompts[turn.prompts[0]]].outline
            said["outline"] += 1
        else:
            # "orange" alone may be either
            readings = [turn.answer] if turn.answer.endswith(".") else [f"the {turn.answer}", f"it is {turn.answer}"]
            own = own_words(scene, prompts, turn).items()
            words = next((words for words in map(read_caption, readings) if words and words.items() <= own), {})
            assert words, turn
            said.update(words.keys())
    others = {"colors", "outline", "relation", "mirror", "which", "position", "usual", "texture"}
    assert set(said) == {"noun", *ATTRIBUTES, *others}
    assert asked["", True] == 0  # a word as it is needs no asking
    for form, low, high in (("sentence", 0.05, 0.25), ("phrase", 0.4, 0.8)):
        assert low < asked[form, False] / (asked[form, True] + asked[form, False]) < high


def assert_mirrored(scene, prompts, turn, named):
    """Checks an answer in full about what is in the mirror."""
    items = {number: scene.objects[prompts[number]] for number in turn.prompts}
    mirrored = {number for number, item in items.items() if item.reflection_of is not None and item.inside is not None}
    if turn.answer in ("Yes", "No"):
        assert (turn.answer == "Yes") == (mirrored == set(items))
    elif turn.answer.startswith("Neither"):
        assert not mirrored
    else:
        assert mirrored == set(named)


def test_a_question_of_multiple_choice_knows_its_bare_question_and_its_right_option(turns):
    for _, _, turn in turns:
        if not turn.choices:
            assert turn.bare_question == turn.question
            continue
        assert turn.question.startswith(f"Question: {turn.bare_question}\nOptions:\nA. ")
        assert f"{turn.answer[-1]}. {turn.right_choice}\n" in turn.question


def test_yes_and_no_are_true(turns):
    for scene, prompts, turn in turns:
        kind = turn.kind.removeprefix("yes-no-").removesuffix("-reasoned")
        if not turn.kind.startswith("yes-no-") or kind in ("relation", "mirror"):
            continue
        yes = turn.answer.lower().rstrip(".").endswith("yes")
        assert turn.kind.endswith("-reasoned") or turn.answer in ("Yes.", "No.")
        claim = read_caption(turn.question)[kind]
        own = own_words(scene, prompts, turn)[kind]
        assert (claim == own) == yes
        assert yes or kind != "noun" or differ_clearly(claim, own)
        if turn.kind.endswith("-reasoned"):
            assert read_caption(turn.answer)[kind] == own


def test_relations_are_true_and_wrong_ones_false(turns):
    for scene, prompts, turn in turns:
        if "relation" not in turn.kind and turn.kind != "front-or-behind":
            continue
        a, b = (prompts[number] for number in turn.prompts)
        if turn.kind in ("relation", "front-or-behind"):
            assert relation(scene, a, b) == read_relation(turn.answer)
            assert turn.kind == "relation" or read_relation(turn.answer) in ("in front of", "behind")
        elif turn.kind == "relation-turned":
            assert turn.answer.startswith(f"<Prompt{turn.prompts[1]}> is ")
            assert turn.answer.endswith(f" <Prompt{turn.prompts[0]}>.")
            assert read_relation(turn.answer) in true_relations(scene, b, a)
            assert opposite(read_relation(turn.answer)) == relation(scene, a, b)
        elif turn.kind == "relation-caption":
            assert relation(scene, a, b) == read_relation(turn.answer.replace("hidden behind", "hidden"))
            assert relation_is_true(scene, a, turn.answer, prompts)
        elif turn.kind.startswith("yes-no"):
            claim = read_relation(turn.question)
            yes = turn.answer.lower().rstrip(".").endswith("yes")
            assert claim in (true_relations if yes else false_relations)(scene, a, b)
            assert turn.kind == "yes-no-relation" or read_relation(turn.answer) == relation(scene, a, b)
        else:
            for letter, choice in zip(LETTERS, turn.choices, strict=False):
                swapped = choice.startswith(f"<Prompt{turn.prompts[1]}>")
                pair = (b, a) if swapped else (a, b)
                judged = true_relations if letter == turn.answer[-1] else false_relations
                assert read_relation(choice) in judged(scene, *pair)


def fitting(scene, words, indices):
    """Objects that a description could be meant for; a word that an object does not have could be said of it."""
    fits = []
    for index in indices:
        own = attribute_words(scene.objects[index])
        noun = "noun" not in words or not differ_clearly(own["noun"], words["noun"])
        rest = all(own.get(name, word) == word for name, word in words.items() if name not in ("noun", "shape"))
        if noun and rest:
            fits.append(index)
    return fits


def description(turn):
    question = turn.question.removeprefix("Question: ").split("\nOptions")[0]
    return read_caption(re.search(r"(?:is|shows) (the .*)\?", question).group(1))


def test_a_description_fits_the_answer_alone_or_nothing_at_all(turns):
    seen = Counter()
    for scene, prompts, turn in turns:
        if turn.kind not in ("which", "absent", "choice-which"):
            continue
        said = said_option(turn) if turn.choices else turn.answer
        seen[turn.kind, said[:4]] += 1
        if said.startswith("None"):
            assert not fitting(scene, description(turn), range(len(scene.objects)))
            continue
        numbers = {prompts[number]: f"<Prompt{number}>" for number in prompts}
        assert [numbers[index] for index in fitting(scene, description(turn), numbers)] == [said], turn
    assert seen["choice-which", "None"] > 10
    assert seen["absent", "<Pro"] == seen["which", "None"] == 0


def test_orders_and_extremes_follow_from_the_masks(turns):
    def values(scene, prompts, way):
        measure = {
            "left-right": lambda item: item.centroid[0],
            "top-bottom": lambda item: item.centroid[1],
            "size": lambda item: item.mask.sum(),
        }[way]
        return {number: measure(scene.objects[index]) for number, index in prompts.items()}

    ways = {"most": "left-right", "high": "top-bottom", "low": "top-bottom", "small": "size", "large": "size"}
    for scene, prompts, turn in turns:
        if turn.kind.startswith("order-"):
            found = values(scene, prompts, turn.kind.removeprefix("order-"))
            named = [found[int(number)] for number in re.findall(r"\d", turn.answer)]
            assert len(named) == len(turn.prompts) == len(prompts)
            assert all(a < b for a, b in pairwise(named))
        elif turn.kind == "extreme":
            word = re.search(r"the (\w+)\?", turn.question).group(1)
            found = values(scene, prompts, next(way for part, way in ways.items() if part in word))
            best = (max if word in ("rightmost", "lowest", "largest") else min)(found, key=found.get)
            assert turn.answer == f"<Prompt{best}>"
            assert "shows" not in turn.question
            edge = {"leftmost": 0, "highest": 1, "rightmost": 2, "lowest": 3}.get(word)
            if edge is not None:
                edges = {number: scene.objects[index].box[edge] for number, index in prompts.items()}
                assert edges[best] == (max if edge > 1 else min)(edges.values())


def test_sizes_are_the_same_where_nobody_would_say_that_one_is_larger(turns):
    ratios = defaultdict(list)
    for scene, prompts, turn in turns:
        if turn.kind == "same" and "size" in turn.question:
            small, great = sorted(scene.objects[prompts[number]].area for number in turn.prompts)
            ratios[turn.answer].append(great / small)
    assert len(ratios["Yes."]) >= 3
    assert max(ratios["Yes."]) < 1.2
    assert min(ratios["No."]) >= 1.5


def test_real_and_reflected_are_told_apart_rightly(turns):
    for scene, prompts, turn in turns:
        items = {number: scene.objects[prompts[number]] for number in turn.prompts}
        images = {number for number, item in items.items() if item.reflection_of is not None}
        if turn.kind == "mirror":
            assert (turn.answer == "a reflection") == bool(images)
        elif turn.kind == "yes-no-mirror":
            assert (turn.answer == "Yes.") == bool(images)
        elif turn.kind == "choice-mirror":
            said = said_option(turn)
            named = {int(number) for number in re.findall(r"<Prompt(\d)>", said)}
            if said in ("Yes", "No"):
                assert (said == "Yes") == bool(images)
            elif said.startswith(("None", "Neither")):
                assert not images
            else:
                assert named == images


def test_positions_count_all_objects_of_the_scene(turns):
    checked = Counter()
    for scene, prompts, turn in turns:
        if turn.kind != "choice-position":
            continue
        for choice in turn.choices:
            right = who_stands(scene, choice) is scene.objects[prompts[turn.prompts[0]]]
            assert right == (choice == said_option(turn)), choice
            checked["row" if "row" in choice else "line"] += 1
    assert min(checked["row"], checked["line"]) > 50


def test_same_or_different_is_true(turns):
    for scene, prompts, turn in turns:
        if not turn.kind.startswith("same"):
            continue
        attribute = next((name for name in ATTRIBUTES if name in turn.question), "noun")
        a, b = (getattr(scene.objects[prompts[number]], attribute) for number in turn.prompts)
        assert (a == b) == turn.answer.lower().rstrip(".").endswith("yes")


def test_multiple_choice_has_the_form_of_gar_bench(turns):
    turn = next(turn for _, _, turn in turns if turn.kind == "choice-color")
    question, heading, *options, instruction = turn.question.split("\n")
    assert question.startswith("Question: ")
    assert heading == "Options:"
    assert options == [f"{letter}. {choice}" for letter, choice in zip(LETTERS, turn.choices, strict=True)]
    assert instruction == "Answer with the correct option's letter directly."
    assert turn.answer in LETTERS
    for _, _, turn in turns:
        assert len(set(turn.choices)) == len(turn.choices)
        if turn.choices:
            assert len(turn.choices) == 4 or turn.kind in ("choice-mirror", "choice-which", "choice-position")


# Balance


def possible(turn):
    return len(turn.prompts) + 1 if turn.kind == "which" else 1 / turn.chance if turn.chance else None


def constant_answers(turns):
    """Yields each balanced kind with how often each answer is right, and chance."""
    answers, chances = defaultdict(Counter), defaultdict(list)
    for _, _, turn in turns:
        if turn.kind in (*CAPTION_KINDS, "absent"):
            continue
        answer = read_relation(turn.answer) if turn.kind in RELATIONS_SAID else turn.answer
        if turn.kind.endswith("-reasoned"):
            answer = answer.rstrip(".").rpartition(" ")[2]
        answers[turn.kind][answer] += 1
        chances[turn.kind].append(turn.chance)
    for kind, counts in answers.items():
        yield kind, counts, np.mean(chances[kind])


def test_no_constant_answer_beats_chance(turns):
    for kind, counts, chance in constant_answers(turns):
        ((_, best),) = counts.most_common(1)
        spread = 3.5 * np.sqrt(max(chance, 0.01) * (1 - chance) / (counts.total() / 2))  # both draws are alike
        assert best / counts.total() <= chance + 0.03 + spread, (kind, counts)


@pytest.mark.slow
def test_no_constant_answer_beats_chance_by_three_points():
    turns = ask(4000)
    rare = [kind for kind, counts, _ in constant_answers(turns) if counts.total() < 2000]
    turns += ask(8000, rare, first=4000)
    for kind, counts, chance in constant_answers(turns):
        ((_, best),) = counts.most_common(1)
        assert counts.total() > 1200, (kind, counts.total())
        assert best / counts.total() <= chance + 0.03, (kind, counts)
    assert_nothing_is_told_by_the_question(turns)


def test_the_question_itself_does_not_tell_the_answer(turns):
    assert_nothing_is_told_by_the_question(turns)


def assert_nothing_is_told_by_the_question(turns):
    """A description fits nothing half of the time; a word that is asked about is true half of the time."""
    kinds, nouns = Counter(), Counter()
    yes, options = defaultdict(list), defaultdict(list)
    for _, _, turn in turns:
        if turn.kind in ("which", "absent"):
            kinds[turn.kind, re.sub(r"the .*", "", turn.question)[:12]] += 1
            described = re.search(r"(?:is|shows) (the .+)\?", turn.question)[1]
            noun = None if " object" in described else read_caption(described).get("noun")
            nouns[turn.kind, noun and group_of(noun)] += 1
        if turn.kind in ("yes-no-color", "yes-no-pattern", "yes-no-size", "yes-no-place", "yes-no-relation"):
            name = turn.kind.removeprefix("yes-no-")
            word = read_relation(turn.question) if name == "relation" else read_caption(turn.question)[name]
            yes[name, word].append(turn.answer == "Yes.")
        if turn.kind in ("choice-color", "choice-size", "choice-material"):
            name = turn.kind.removeprefix("choice-")
            for choice in turn.choices:
                options[name, read_caption(choice)[name]].append(choice == said_option(turn))
        if "color" in turn.kind and turn.choices:
            silver = [choice for choice in turn.choices if "silver" in choice.lower()]
            options["color", "silver"].extend(choice == said_option(turn) for choice in silver)
    for groups, middle, slack in ((yes, 0.5, 0.1), (options, 0.25, 0.08)):
        for word, right in groups.items():
            spread = 3 * np.sqrt(0.25 / len(right))
            assert abs(np.mean(right) - middle) < slack + spread, (word, np.mean(right), len(right))
    for counts, slack in ((kinds, 0.08), (nouns, 0.12)):
        for form in {form for _, form in counts}:
            which, absent = counts["which", form], counts["absent", form]
            total = which + absent
            assert abs(which / total - 0.5) < slack + 2 * np.sqrt(0.25 / total), (form, which, absent)


# What callers say


def test_one_prompt_is_described_in_the_published_words():
    scene = next(scene for scene in map(render_scene, range(20)) if len(scene.objects) > 1)
    rng = np.random.default_rng(0)
    (alone,) = write_turns(scene, {3: 0}, rng, kinds=["caption"])
    assert alone.question == "Describe this masked region in detail."
    (among,) = write_turns(scene, {3: 0, 1: 1}, rng, kinds=["caption"])
    assert "<Prompt" in among.question


def test_the_number_of_turns_is_as_asked_and_no_question_comes_twice():
    scene = next(scene for scene in map(render_scene, range(100)) if len(scene.objects) == 5)
    found = write_turns(scene, dict(enumerate(range(5))), np.random.default_rng(0), n=40)
    assert len(found) == 40
    assert len({turn.question for turn in found}) == 40


def test_a_reflection_is_often_prompted_with_its_object():
    scene = next(s for s in map(render_scene, range(100)) if s.has_mirror and len(s.objects) == 6)
    rng = np.random.default_rng(0)
    both = [any(scene.objects[i].reflection_of in p.values() for i in p.values()) for p in
            (choose_prompts(scene, rng) for _ in range(100))]  # fmt: skip
    assert np.mean(both) > 0.6


def test_relations_are_among_those_of_the_world(turns):
    assert {read_relation(turn.answer) for _, _, turn in turns if turn.kind == "relation"} == set(RELATIONS)


def test_a_wrong_prompt_or_kind_is_refused_with_its_value():
    scene, rng = render_scene(0), np.random.default_rng(0)
    with pytest.raises(PromptError, match="prompt number 5"):
        write_turns(scene, {5: 0}, rng)
    with pytest.raises(PromptError, match="object 99"):
        write_turns(scene, {0: 99}, rng)
    with pytest.raises(PromptError, match="another object"):
        write_turns(scene, {0: 0, 1: 0}, rng)
    with pytest.raises(PromptError, match="no prompt"):
        write_turns(scene, {}, rng)
    with pytest.raises(PromptError, match="'guess'"):
        write_turns(scene, {0: 0}, rng, kinds=["guess"])


def test_the_same_words_never_call_for_two_kinds_of_answers():
    for _, _, turn in ask(60):
        reasoned = turn.kind.endswith("-reasoned")
        assert reasoned == ("Say what it is, then" in turn.question)
        if turn.choices:
            assert reasoned != turn.question.endswith(LETTER_ALONE)
