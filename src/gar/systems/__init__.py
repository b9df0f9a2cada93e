"""Systems: the same questions about regions put to our models, to others' and to files of answers.

    protocol.py        `Question`, `Reply`, `System`
    making.py          `make_system`: from "nano" or "openai:gpt-4o" to a system
    ours.py            our models
    openai_api.py      generalists behind an OpenAI-style API, by visual_prompts.py
    dam.py             Describe Anything, its weights or its server
    videorefer.py      VideoRefer and PixelRefer
    answers_file.py    answers given earlier
    endpoint.py        the OpenAI-style API itself: retries, timeouts, spending.py's limit; the judges stand on it, too
    flags.py           settings by name and type
    in_order.py        many at once, results in order

Importing this package is cheap; what a system needs is imported when it is made.
"""

from gar.systems.making import make_system
from gar.systems.protocol import Question, Reply, System, Track

__all__ = ["Question", "Reply", "System", "Track", "make_system"]
