"""Compiled decoding over a static cache writes the same tokens."""

import pytest

from gar import GAR, Request


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # torch's compiler warns about itself
def test_compiled_decoding_writes_the_same_tokens(make_assistant, pictures, left, right):
    plain = make_assistant()
    compiled = GAR(plain.model, plain.processor, "tiny", compile=True)
    box = left.box(2, 2, 25, 40)
    requests = [
        Request(picture, text, own)
        for picture in pictures
        for text, own in ((None, [box]), ("Is <Prompt1> red?", [box, box]), ("What is it?", [box]))
    ]
    for batch in (requests, requests[:3], requests[:1]):  # several shapes, the last within one used before
        expected = plain.batch(batch, max_new_tokens=12)
        answers = compiled.batch(batch, max_new_tokens=12)
        assert [answer.text for answer in answers] == [answer.text for answer in expected]
        assert [answer.new_tokens for answer in answers] == [answer.new_tokens for answer in expected]
    expected = "".join(plain.stream(pictures[0], "Why?", right, max_new_tokens=12))
    first, second = (compiled.stream(pictures[0], "Why?", right, max_new_tokens=12) for _ in range(2))
    # the cache is taken by the first, so the second decodes without it
    assert "".join(a + b for a, b in zip(first, second, strict=True)) != ""
    assert "".join(compiled.stream(pictures[0], "Why?", right, max_new_tokens=12)) == expected
