"""The assistant: load a model, point at regions, get answers.

    assistant = load("nano")
    answer = assistant.describe(picture, Region.box(40, 60, 200, 220))
    answer = assistant.ask(picture, "Is <Prompt0> left of <Prompt1>?", [a, b], choices=["yes", "no"])

Choices:

* every verb is `batch` underneath: one request is a list of one, so a batch gives what one by one gives;
* several regions described are several requests, each region alone in the mask, as in the published single-region code;
* greedy unless a temperature is given; then the seed that was used stands in the answer;
* choices are scored, not parsed: the probability of each option as the whole answer to the question.
"""

from gar.assistant.answer import Answer, Request
from gar.assistant.gar import GAR
from gar.assistant.loading import load
from gar.assistant.sampling import SamplingOptions

__all__ = ["GAR", "Answer", "Request", "SamplingOptions", "load"]
