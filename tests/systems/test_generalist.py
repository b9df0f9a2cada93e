"""A generalist behind a real server."""

import base64
import io
from collections import Counter

import pytest
from chat_server import Fails, HangsUp, Raw, Says, text_of
from PIL import Image

from gar.errors import InputError
from gar.regions import Region
from gar.systems import Question, make_system
from gar.systems.endpoint import Endpoint
from gar.systems.openai_api import Generalist


def generalist(server, style="marks", **settings):
    return Generalist(Endpoint("vlm", **{"base_url": server.url, "first_wait": 0.01, **settings}), style)


def test_picture_and_question_arrive_and_the_answer_comes_back(serve, picture, regions):
    server = serve(lambda number, body: " Object 1 (green mask) is right of object 0.\n")
    question = Question(picture, regions, "How are <Prompt0> and <Prompt1> related?", max_new_tokens=77)
    (reply,) = generalist(server).answer([question])
    assert reply.text == "<Prompt1> is right of <Prompt0>."
    assert (reply.error, reply.prompt_tokens, reply.new_tokens) == (None, 10, 2)
    (body,) = server.requests
    assert (body["model"], body["max_tokens"], body["temperature"]) == ("vlm", 77, 0.0)
    image, text = body["messages"][0]["content"]
    head, _, payload = image["image_url"]["url"].partition(",")
    assert head == "data:image/jpeg;base64"
    assert Image.open(io.BytesIO(base64.b64decode(payload))).size == picture.size
    assert text["text"].endswith("How are object 0 (red mask) and object 1 (green mask) related?")


def test_a_description_is_left_as_it_came(serve, picture, regions):
    server = serve(lambda number, body: "A cup, object 0.")
    (reply,) = generalist(server).answer([Question(picture, regions[:1])])
    assert reply.text == "A cup, object 0."


def test_a_troubled_run_gives_every_question_an_answer_or_an_error_in_order(serve, picture, regions):
    troubles = [
        Fails(429, headers={"Retry-After": "0.01"}),
        Fails(502),
        Raw(b'{"choices": ['),
        HangsUp(),
        Says("too late", after=5),
    ]
    tries = Counter()

    def behave(number, body):
        asked = text_of(body).split()[-1]
        tries[asked] += 1
        if asked == "13":
            return Fails(400)
        if asked == "17":
            return Fails(500)
        if tries[asked] <= int(asked) % 4:
            return troubles[(int(asked) + tries[asked]) % len(troubles)]
        return Says(asked, prompt_tokens=None, after=0.02 * (int(asked) % 3))

    server = serve(behave)
    small = picture.resize((64, 64))
    questions = [Question(small, [Region.box(9, 9, 30, 30)], f"Is <Prompt0> number {n}") for n in range(40)]
    questions[5] = Question(small, [Region.box(900, 9, 930, 30)], "Is <Prompt0> number 5")
    questions[6] = Question("no-such-picture.png", regions, "Is <Prompt0> number 6")
    questions[7] = Question(small, regions, "Is <Prompt0> number 7", choices=["A", "B"])
    replies = list(generalist(server, timeout=1.0, attempts=5, concurrency=8).answer(questions))
    assert len(replies) == 40
    failed = {n for n, reply in enumerate(replies) if reply.error is not None}
    assert failed == {5, 6, 7, 13, 17}
    assert all(reply.text == str(n) for n, reply in enumerate(replies) if n not in failed)
    assert replies[5].error.startswith("RegionError")
    assert replies[6].error.startswith("MediaError")
    assert "BadRequestError" in replies[13].error
    assert replies[17].error.endswith("(5 attempts)")


def test_questions_are_asked_at_once_but_not_more_than_allowed(serve, picture, regions):
    server = serve(lambda number, body: Says("yes", after=0.05))
    questions = [Question(picture, regions[:1])] * 12
    assert len(list(generalist(server, concurrency=3).answer(questions))) == 12
    assert server.most_at_once == 3


def test_replies_come_before_the_last_question_is_asked_and_asking_stops_with_the_reader(serve, picture, regions):
    server = serve(lambda number, body: "yes")
    replies = generalist(server, concurrency=2).answer([Question(picture, regions[:1])] * 100)
    assert next(replies).text == "yes"
    replies.close()
    assert len(server.requests) < 100


def test_the_limit_on_tokens_ends_asking_but_not_the_run(serve, picture, regions):
    server = serve(lambda number, body: Says("yes", prompt_tokens=1000, new_tokens=24))
    asked = generalist(server, token_limit=4000, concurrency=2)  # about 530 tokens are estimated
    question = Question(picture, regions[:1], max_new_tokens=24)
    replies = list(asked.answer([question] * 8))
    refused = [reply.error for reply in replies if reply.error is not None]
    assert len(refused) == 5
    assert all("limit of 4000" in error for error in refused)
    assert len(server.requests) == 3


def test_settings_tell_everything_but_the_key(serve):
    server = serve(lambda number, body: "yes")
    asked = make_system("openai:vlm", style="box", base_url=server.url, key="secret", temperature=0.5)
    assert asked.name == "openai:vlm (box)"
    assert asked.settings == {
        "model": "vlm",
        "base_url": server.url,
        "style": "box",
        "temperature": 0.5,
        "pictures": "JPEG, quality 95",
    }


def test_unknown_styles_and_temperatures_are_refused():
    endpoint = Endpoint("m", base_url="http://localhost:1/v1")
    with pytest.raises(InputError, match="'circle'; allowed: marks, contour"):
        Generalist(endpoint, "circle")
    with pytest.raises(InputError, match="temperature is 3"):
        Generalist(endpoint, "marks", 3)
