"""Chat completions as the official `openai` client speaks them, unchanged."""

import math

import openai
import pytest
from live_server import data_url, user

from gar import Request

BOX = {"box": [10, 8, 50, 40]}
OTHER = {"box": [55, 20, 90, 60]}


@pytest.fixture(scope="module")
def client(server):
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture
def ask(client, url):
    """Asks about the photograph."""

    def ask(text="Is <Prompt0> left of <Prompt1>?", regions=(BOX, OTHER), messages=None, **options):
        extra = {name: options.pop(name) for name in ("choices", "num_beams", "use_cache") if name in options}
        return client.chat.completions.create(
            model=options.pop("model", "tiny"),
            messages=messages or [user(text, url)],
            extra_body={"regions": list(regions), **extra},
            **options,
        )

    return ask


def test_the_models_are_listed(client):
    (model,) = client.models.list()
    assert (model.id, model.object, model.max_regions) == ("tiny", "model", 5)
    assert client.models.retrieve("tiny").id == "tiny"
    with pytest.raises(openai.NotFoundError, match="this server has 'tiny'"):
        client.models.retrieve("gpt-4o")


def test_an_answer_is_the_assistants(ask, assistant, picture, cup, spoon):
    expected = assistant.batch([Request(picture, "Is <Prompt0> left of <Prompt1>?", [cup, spoon])], max_new_tokens=20)[
        0
    ]
    answer = ask(max_tokens=20)
    assert answer.object == "chat.completion"
    assert answer.id.startswith("chatcmpl-")
    (choice,) = answer.choices
    assert (choice.message.role, choice.message.content) == ("assistant", expected.text)
    assert choice.finish_reason == expected.finish_reason == "length"
    usage = answer.usage
    assert (usage.prompt_tokens, usage.completion_tokens) == (expected.prompt_tokens, 20)
    assert usage.total_tokens == usage.prompt_tokens + 20


def test_one_region_without_a_question_is_described(ask, assistant, picture, cup):
    expected = assistant.describe(picture, cup, max_new_tokens=12).text
    for text in ("Describe this region in detail.", "describe the masked region", ""):
        assert ask(text, [BOX], max_completion_tokens=12).choices[0].message.content == expected


def test_a_stream_says_the_same_in_pieces(ask):
    whole = ask(max_tokens=30)
    chunks = list(ask(max_tokens=30, stream=True, stream_options={"include_usage": True}))
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    assert chunks[0].choices[0].delta.role == "assistant"
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-2:] == [None, "length"]
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage


def test_the_last_event_of_a_stream_is_done(server, url):
    body = {"messages": [user("What is it?", url)], "regions": [BOX], "stream": True, "max_tokens": 3}
    response = server.chat(**body)
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["x-request-id"].startswith("req-")
    assert response.text.endswith("data: [DONE]\n\n")


def test_a_seed_gives_the_same_answer_again_and_is_told(ask):
    first, again, other = (ask(temperature=1.5, top_p=0.9, seed=seed, max_tokens=20).choices[0] for seed in (4, 4, 5))
    assert first.seed == 4
    assert first.message.content == again.message.content != other.message.content
    drawn = ask(temperature=1.5, max_tokens=20).choices[0]
    repeated = ask(temperature=1.5, max_tokens=20, seed=drawn.seed).choices[0]
    assert repeated.message.content == drawn.message.content


@pytest.mark.parametrize("stream", [False, True])
def test_several_answers_have_seeds_of_their_own(ask, stream):
    options = {"temperature": 1.5, "seed": 10, "n": 3, "max_tokens": 12}
    alone = [ask(temperature=1.5, seed=10 + number, max_tokens=12).choices[0].message.content for number in range(3)]
    if not stream:
        answer = ask(**options)
        assert [choice.index for choice in answer.choices] == [0, 1, 2]
        assert [choice.message.content for choice in answer.choices] == alone
        assert answer.usage.completion_tokens == 36
        return
    texts = ["", "", ""]
    for chunk in ask(**options, stream=True):
        choice = chunk.choices[0]
        texts[choice.index] += choice.delta.content or ""
    assert texts == alone


def test_a_stop_sequence_ends_the_answer(ask):
    whole = ask(max_tokens=40).choices[0].message.content
    stop = whole[10:13]
    cut = ask(max_tokens=40, stop=stop)
    assert cut.choices[0].message.content == whole[: whole.index(stop)].rstrip()
    assert cut.choices[0].finish_reason == "stop"
    pieces = [chunk.choices[0].delta.content or "" for chunk in ask(max_tokens=40, stop=["%%", stop], stream=True)]
    assert "".join(pieces) == cut.choices[0].message.content


@pytest.mark.parametrize("stream", [False, True])
def test_choices_are_scored_and_their_likelihoods_told(ask, assistant, picture, cup, stream):
    expected = assistant.ask(picture, "What is it?", [cup], choices=["yes", "no", "red"])
    answer = ask("What is it?", [BOX], choices=["yes", "no", "red"], logprobs=True, top_logprobs=2, stream=stream)
    if stream:
        said, last = "", None
        for chunk in answer:
            said += chunk.choices[0].delta.content or ""
            last = chunk.choices[0]
        assert said == expected.choice
        choice = last
    else:
        (choice,) = answer.choices
        assert choice.message.content == expected.choice
        assert answer.usage.completion_tokens == 0
    assert choice.finish_reason == "stop"
    assert choice.probabilities == pytest.approx(expected.probabilities, abs=1e-5)
    (told,) = choice.logprobs.content
    assert told.token == expected.choice
    assert math.exp(told.logprob) == pytest.approx(expected.probabilities[expected.choice], abs=1e-5)
    assert len(told.top_logprobs) == 2
    assert bytes(told.bytes).decode() == expected.choice


def test_a_conversation_goes_on(ask, url):
    first = user("What is <Prompt0>?", url)
    one = ask(messages=[first], max_tokens=5)
    said = one.choices[0].message.model_dump()
    two = ask(messages=[first, {"role": "assistant", "content": "yes"}, user("Why?")], max_tokens=5)
    again = ask(messages=[first, {"role": "assistant", "content": "no"}, user("Why?", url)], max_tokens=5)
    assert two.usage.prompt_tokens > one.usage.prompt_tokens
    assert again.choices[0].message.content
    assert said["tool_calls"] is None
    # what the client gives back as it got it, nulls included, is taken
    ask(messages=[first, {**said, "content": "red"}, user("Why?")], max_tokens=5)


@pytest.mark.parametrize(
    "region",
    [
        {"points": [[20, 20], [70, 50]], "labels": [1, 0], "radius": 12},
        {"points": [[20, 20]]},
        {"scribble": [[10, 10], [40, 40.5]], "width": 6},
        {"polygon": [[[10, 10], [60, 12], [40, 50]], [[30, 20], [40, 20], [35, 30]]]},
        {"box": [10, 8, 50, 40], "whole": True},
        {"rle": {"size": [64, 96], "counts": [1000, 500, 4644]}},
    ],
)
def test_every_kind_of_region_is_understood(ask, region):
    assert ask("What is it?", [region], max_tokens=2).choices[0].message.content


def test_a_mask_and_its_run_lengths_are_the_same_region(ask, picture, cup):
    import numpy as np
    from PIL import Image

    size = (picture.height, picture.width)
    png = data_url(Image.fromarray(cup.to_mask(size).astype(np.uint8) * 255))
    rle = cup.to_rle(size)
    sent = [{"mask": png}, {"mask": png.partition(",")[2]}, {"rle": rle}]
    answers = {ask("What is it?", [region], max_tokens=16).choices[0].message.content for region in sent}
    assert len(answers) == 1


def test_what_is_cut_at_the_edge_is_noted(ask):
    answer = ask("What is it?", [{"box": [-20, 8, 50, 40]}], max_tokens=2)
    assert "20 px beyond the left edge" in answer.choices[0].notes[0]


def test_parameters_that_are_not_honoured_are_refused(ask):
    for options, name in (
        ({"frequency_penalty": 0.5}, "frequency_penalty"),
        ({"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]}, "tools"),
        ({"logit_bias": {"5": 1}}, "logit_bias"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
    ):
        with pytest.raises(openai.BadRequestError) as refused:
            ask(**options)
        assert refused.value.body["param"] == name
    ask(frequency_penalty=0, presence_penalty=0, user="me", store=False, max_tokens=1)  # mean nothing
