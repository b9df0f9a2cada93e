"""Dialogues: a follow-up costs its own tokens, and is answered as in the same conversation read whole."""

import pytest
import torch
from counting import counted

from gar import InputError, PromptError
from gar.processing.prompts import follow_up

QUESTIONS = ("Is <Prompt0> left of <Prompt1>?", "Why?", "What color is <Prompt1>?", "And <Prompt0>?")


def read_whole(assistant, picture, regions, questions, answers, new):
    """Token ids of the answer to the last question, from one text of all turns; and how many tokens it has."""
    processor, model = assistant.processor, assistant.model
    inputs = processor([picture], [processor.question_text(questions[0], range(len(regions)))], [regions])
    first = inputs.pop("input_ids")
    inputs.pop("attention_mask")
    rest = []
    for answer, question in zip(answers, questions[1:], strict=True):
        rest += [*answer, processor.tokenizer.eos_token_id, *processor.token_ids(follow_up(question), 0)]
    with torch.no_grad():
        features = model.model.get_region_features(**inputs)
        embeds = model.model.embed(first, features, inputs["region_index"])
        if rest:  # a random model may write tokens that would take features
            embeds = torch.cat([embeds, model.model.embed_words(torch.tensor([rest]), features.prompts)], 1)
    options = {"max_new_tokens": new, "do_sample": False, "pad_token_id": 0, "prompt_features": features.prompts}
    return model.generate(inputs_embeds=embeds, **options)[0].tolist(), embeds.shape[1]


def without_end(assistant, ids):
    end = assistant.processor.tokenizer.eos_token_id
    return ids[: ids.index(end)] if end in ids else ids


@pytest.mark.parametrize("way", ["exact", "shared", None])
def test_every_answer_is_that_of_the_same_conversation_read_whole(assistant, pictures, left, right, way):
    for picture in pictures[:2]:
        regions = [left, right] if picture is pictures[0] else [left, left]
        scene = picture if way is None else assistant.encode(picture, regions, way=way)
        dialogue = assistant.chat(scene, regions if way is None else None)
        answers = []
        for turn, question in enumerate(QUESTIONS):
            new = 5 + turn
            written, length = read_whole(assistant, picture, regions, QUESTIONS[: turn + 1], answers, new)
            answer = dialogue.ask(question, max_new_tokens=new)
            said = without_end(assistant, written)
            assert answer.text == assistant.processor.tokenizer.decode(said).strip()
            assert answer.prompt_tokens == length
            answers.append(said)
        assert [turn.question for turn in dialogue.history] == list(QUESTIONS)


def test_an_answer_that_ends_by_itself_is_followed_up_too(make_assistant, wide, left):
    assistant = make_assistant(seed=3)
    inputs = assistant.processor([wide], [assistant.processor.question_text("Why?", [0])], [[left]])
    free = assistant.model.generate(**inputs, max_new_tokens=3, do_sample=False, eos_token_id=-1, pad_token_id=0)[
        0, -3:
    ]
    third, end = int(free[2]), assistant.processor.tokenizer.eos_token_id
    assert third not in free[:2].tolist()
    head = assistant.model.lm_head.weight.data
    head[[third, end]] = head[[end, third]]  # the third token becomes the end of the turn
    dialogue = assistant.chat(wide, left)
    first = dialogue.ask("Why?", max_new_tokens=9)
    assert (first.finish_reason, first.new_tokens) == ("stop", 3)
    written, _ = read_whole(assistant, wide, [left], ["Why?", "And?"], [free[:2].tolist()], 6)
    assert (
        dialogue.ask("And?", max_new_tokens=6).text
        == assistant.processor.tokenizer.decode(without_end(assistant, written)).strip()
    )


def test_a_follow_up_costs_its_own_tokens(assistant, wide, left, right):
    dialogue = assistant.chat(wide, [left, right])
    dialogue.ask(QUESTIONS[0], max_new_tokens=4)
    with counted(assistant) as done:
        answer = dialogue.ask("Why?", max_new_tokens=4)
    new = len(assistant.processor.token_ids(follow_up("Why?"), 0))
    # the end of the first answer, the question, and what is written but not read
    assert new <= done.read <= new + 2 + answer.new_tokens
    assert (done.stem, done.tower) == (0, 0)


def test_a_second_dialogue_about_a_scene_begins_where_the_question_begins(assistant, wide, left, right):
    scene = assistant.encode(wide, [left, right])
    first = assistant.chat(scene).ask(QUESTIONS[0], max_new_tokens=6)
    with counted(assistant) as done:
        again = assistant.chat(scene).ask(QUESTIONS[0], max_new_tokens=6)
    assert again.text == first.text
    assert done.tower == 0
    assert done.read < 60


def test_a_stream_says_what_ask_says_and_counts_when_it_is_read(assistant, wide, left, right):
    asked, streamed = (assistant.chat(wide, [left, right]) for _ in range(2))
    for question in QUESTIONS[:3]:
        expected = asked.ask(question, max_new_tokens=8)
        assert "".join(streamed.stream(question, max_new_tokens=8)) == expected.text
        assert streamed.history[-1].answer.text == expected.text


def test_a_stream_that_is_closed_early_is_forgotten(assistant, wide, left, right):
    dialogue = assistant.chat(wide, [left, right])
    stream = dialogue.stream(QUESTIONS[0], max_new_tokens=40)
    next(stream)
    stream.close()
    assert dialogue.history == ()
    first = dialogue.ask(QUESTIONS[0], max_new_tokens=6)
    stream = dialogue.stream("Never mind: what is it?", max_new_tokens=40)
    next(stream)
    stream.close()
    second = dialogue.ask("Why?", max_new_tokens=6)
    other = assistant.chat(wide, [left, right])
    assert other.ask(QUESTIONS[0], max_new_tokens=6).text == first.text
    assert other.ask("Why?", max_new_tokens=6).text == second.text
    assert len(dialogue.history) == 2


def test_one_answer_is_streamed_at_a_time(assistant, wide, left):
    dialogue = assistant.chat(wide, left)
    first, second = dialogue.stream("Why?", max_new_tokens=40), dialogue.stream("And?", max_new_tokens=40)
    next(first)
    with pytest.raises(InputError, match="still being streamed"):
        dialogue.ask("Is it?")
    with pytest.raises(InputError, match="still being streamed"):
        next(second)
    stale = dialogue.stream
    list(first)
    third, fourth = stale("What?", max_new_tokens=4), dialogue.stream("Who?", max_new_tokens=4)
    list(third)
    with pytest.raises(InputError, match=r"the dialogue went on after 'Who\?' was asked"):
        list(fourth)


def test_mistakes_leave_the_conversation_as_it_was(assistant, wide, left):
    dialogue = assistant.chat(wide, left)
    for mistake in ("What is <Prompt1>?", "  ", "<|image|>"):
        with pytest.raises(PromptError):
            dialogue.ask(mistake)
    dialogue.ask("Why?", max_new_tokens=4)
    with pytest.raises(PromptError, match="<Prompt3>"):
        dialogue.ask("And <Prompt3>?")
    with pytest.raises(InputError, match="temperature"):
        dialogue.ask("And?", temperature=-1.0)
    with pytest.raises(PromptError, match="more than the 1024"):
        dialogue.ask("And?", max_new_tokens=1000)
    assert len(dialogue.history) == 1
    assert dialogue.ask("And?", max_new_tokens=4).new_tokens


def test_a_dialogue_is_about_as_many_regions_as_can_be_named(assistant, wide, left):
    with pytest.raises(PromptError, match="6 regions"):
        assistant.chat(wide, [left] * 6)
    with pytest.raises(PromptError, match="no region"):
        assistant.chat(assistant.encode(wide))
    with pytest.raises(PromptError, match="no regions were given"):
        assistant.chat(wide)
    with pytest.raises(InputError, match="a scene brings its own regions"):
        assistant.chat(assistant.encode(wide, left), left)


def test_a_sampled_dialogue_repeats_with_its_seeds(assistant, wide, left):
    texts = []
    for _ in range(2):
        dialogue = assistant.chat(wide, left)
        texts.append([dialogue.ask(q, max_new_tokens=8, temperature=3.0, seed=5).text for q in ("Why?", "And?")])
    assert texts[0] == texts[1]
