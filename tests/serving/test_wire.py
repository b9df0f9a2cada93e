"""What clients send: of many mistakes few are noted, for a note of each would fill the memory."""

import pytest
from pydantic import ValidationError

from gar.serving.wire import ChatRequest, DescribeRequest

WRONG = [{}] * 20
MANY = {str(number): 1 for number in range(1000)}
USER = {"role": "user", "content": "?"}


@pytest.mark.parametrize(
    "sent",
    [
        {"regions": WRONG},
        {"regions": [{"rle": {"size": [1, 1], "counts": WRONG}}]},
        {"regions": [{"points": WRONG}]},
        {"regions": [{"points": [[1, 1]], "labels": WRONG}]},
        {"regions": [{"scribble": WRONG}]},
        {"regions": [{"polygon": [WRONG, WRONG]}]},
        {"regions": [{"box": [1, 1, 2, 2], **MANY}]},
        {"messages": WRONG},
        {"messages": [{"role": "user", "content": WRONG}]},
        {"messages": [{"role": "assistant", "content": WRONG}]},
        {"choices": WRONG},
        {"stop": WRONG},
        MANY,
    ],
)
def test_of_many_mistakes_few_are_noted(sent):
    model, needed = (
        (ChatRequest, {"model": "m", "messages": [USER]})
        if {"messages", "choices"} & sent.keys()
        else (DescribeRequest, {"image": "x"})
    )
    with pytest.raises(ValidationError) as refused:
        model.model_validate({**needed, **sent})
    assert refused.value.error_count() <= 2
