"""The assistant: load a model, point at regions, get answers.

    assistant = load("nano")
    answer = assistant.describe(picture, Region.box(40, 60, 200, 220))
    answer = assistant.ask(picture, "Is <Prompt0> left of <Prompt1>?", [a, b], choices=["yes", "no"])

    scene = assistant.encode(picture, regions)  # looked at once; every verb takes it in place of the picture
    answers = assistant.describe(scene)

Choices:

* every verb is a list of requests underneath, so a batch gives what one by one gives;
* several regions described are several requests, each region alone in the mask, as in the published single-region
  code, unless a scene was encoded in the shared way;
* nothing is computed twice: a picture's tiles, a tile's features under the same mask, the beginning of a text that
  several requests share, the earlier turns of a dialogue; the answers are those of the plain computation;
* greedy unless a temperature is given; then the seed that was used stands in the answer;
* choices are scored, not parsed: the probability of each option as the whole answer to the question.
"""

from gar.assistant.answer import Answer, Request
from gar.assistant.gar import GAR
from gar.assistant.loading import load
from gar.assistant.sampling import SamplingOptions
from gar.assistant.scene import EncodedScene

__all__ = ["GAR", "Answer", "EncodedScene", "Request", "SamplingOptions", "load"]
