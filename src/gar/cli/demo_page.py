"""The demo as one HTML page that needs no other file and no network."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from gar import __version__
from gar.cli.demo_card import enlarge
from gar.cli.demo_results import score
from gar.drawing import draw_regions, prompt_color, text_color

if TYPE_CHECKING:
    from gar.cli.demo_results import Result

__all__ = ["render_page"]


def render_page(results: Sequence[Result], model: str, facts: Mapping[str, Any]) -> str:
    """Renders the page from `demo.html.j2`; whatever a model says is escaped.

    Args:
        results: What was asked and answered.
        model: The name by which the model was loaded.
        facts: `GAR.info()` of it.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"chips": _chips, "chip": _chip, "data_url": _data_url}
    template = environment.from_string((files("gar.cli") / "demo.html.j2").read_text("utf-8"))
    return template.render(
        worlds=[result for result in results if result.case.kind == "world"],
        photographs=[result for result in results if result.case.kind == "photograph"],
        score=score(results),
        model=model,
        facts=facts,
        version=__version__,
    )


def _chip(index: int) -> Markup:
    """The number of a prompt on its color."""
    paper, ink = prompt_color(index), text_color(prompt_color(index))
    return Markup('<b class="chip" style="background:rgb{};color:rgb{}">{}</b>').format(paper, ink, index)


def _chips(text: str) -> Markup:
    """Escapes a text and shows the prompts that it names as chips."""
    return Markup(re.sub(r"&lt;Prompt(\d)&gt;", lambda found: _chip(int(found[1])), str(escape(text))))


def _data_url(result: Result) -> str:
    """The picture with its regions, as a data URL."""
    encoded = io.BytesIO()
    drawn = draw_regions(*enlarge(result.case.image, result.case.regions), opacity=0.0)
    drawn.save(encoded, "JPEG", quality=88, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(encoded.getvalue()).decode()}"
