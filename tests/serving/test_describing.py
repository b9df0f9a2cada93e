"""The plain job: a picture and regions in, as many descriptions out."""

import pytest
from live_server import data_url

BOXES = [[10, 8, 50, 40], [55, 20, 90, 60], [0, 0, 96, 64]]


def test_each_region_is_described_as_if_it_were_alone(server, assistant, picture, url):
    from gar import Region

    sent = {"image": url, "regions": [{"box": box} for box in BOXES], "max_tokens": 14}
    reply = server.describe(**sent).json()
    expected = assistant.describe(picture, [Region.box(*box) for box in BOXES], max_new_tokens=14)
    assert [one["text"] for one in reply["descriptions"]] == [answer.text for answer in expected]
    assert [one["index"] for one in reply["descriptions"]] == [0, 1, 2]
    assert [one["box"] for one in reply["descriptions"]] == [list(Region.box(*box).to_box((64, 96))) for box in BOXES]
    assert reply["usage"]["completion_tokens"] == sum(answer.new_tokens for answer in expected)
    assert reply["model"] == "tiny"


def test_a_jpeg_and_a_seed(server, picture):
    sent = {"image": data_url(picture, "JPEG"), "regions": [{"box": BOXES[0]}], "temperature": 1.0, "max_tokens": 9}
    first = server.describe(**sent).json()["descriptions"][0]
    again = server.describe(**sent, seed=first["seed"]).json()["descriptions"][0]
    assert first == again


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        ({"regions": [{"box": [200, 200, 300, 300]}]}, 422, "no pixel inside the picture"),
        ({"regions": [{"box": [0, 0, 5, 5]}, {"box": [9, 0, 5, 5]}]}, 422, "region 1: the box is"),
        ({"regions": [{"rle": {"size": [2, 2], "counts": [2, 2]}}]}, 422, "the mask is 2 x 2"),
        ({"regions": [{"box": [0, 0, 5, 5], "points": [[1, 1]]}]}, 400, "exactly one of"),
        ({"regions": []}, 400, "at least 1 item"),
        ({"image": "picture.png"}, 422, "a picture must be a data URL"),
        ({"image": "data:image/png;base64,AAAA"}, 422, "is not a picture"),
        ({"model": "another"}, 404, "there is no model 'another'"),
        ({"question": "What?"}, 400, "question is not a parameter"),
    ],
)
def test_mistakes_are_told(server, url, change, status, message):
    reply = server.describe(**{"image": url, "regions": [{"box": BOXES[0]}], "max_tokens": 2, **change})
    assert reply.status_code == status
    assert message in reply.json()["error"]["message"]
