"""Puts the page on an application."""

from __future__ import annotations

import warnings
from importlib.resources import files
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.responses import RedirectResponse

from gar.errors import InputError, MissingExtraError
from gar.serving.limits import Limits

if TYPE_CHECKING:
    from gar.serving.worker import Worker

__all__ = ["mount"]

_PATH = "/page"
"""Where the page is; a path of its own, so that whatever else is asked for is answered by the API."""


def mount(app: FastAPI, *workers: Worker, limits: Limits | None = None, keep_seconds: float = 60.0) -> None:
    """Puts the page at `/page/` of an application and leads there from `/`.

    NiceGUI knows one application in a process, so there can be one page.

    Args:
        app: The application; when it ends, so do all visits.
        workers: At least one; where there are several, visitors choose among their models by name.
        limits: Of the server. Of its bytes, pixels and tokens the page allows no more, and of a file at most 25 MB and
            25 megapixels: it is kept as long as the page is open.
        keep_seconds: How long a visit is kept without a connection: a telephone that opens its camera or gallery
            drops it.

    Raises:
        InputError: No worker is given, or two have models of one name.
        MissingExtraError: NiceGUI is not installed.
    """
    named = {worker.assistant.name: worker for worker in workers}
    if not named or len(named) < len(workers):
        names = ", ".join(worker.assistant.name for worker in workers) or "none"
        raise InputError(f"workers with these models were given: {names}; needed is at least one, each of another name")
    try:
        import nicegui
        from nicegui import ui
    except ImportError as error:
        raise MissingExtraError("nicegui", "serve") from error
    from gar.serving.page.picture import page_limits
    from gar.serving.page.routes import Addresses, add_routes
    from gar.serving.page.view import View

    allowed = page_limits(limits or Limits())
    addresses = Addresses()

    @ui.page("/", title="Grasp Any Region", dark=None, language="en-US")
    def page() -> None:
        ui.add_css((files("gar.serving.page") / "page.css").read_text("utf-8"))
        ui.colors(primary="#2d6cdf")
        view = View(named, addresses, _PATH, allowed)
        ui.context.client.on_delete(view.close)

    add_routes(nicegui.app, addresses, allowed)
    # When it starts, NiceGUI looks at all objects there are, and one of torch's warns of being looked at.
    warnings.filterwarnings("ignore", r".*torch\.distributed\.reduce_op", FutureWarning)
    # NiceGUI waits for signs of life in proportion to this time; a busy machine gives them late.
    ui.run_with(
        app,
        mount_path=_PATH,
        title="Grasp Any Region",
        reconnect_timeout=keep_seconds,
        tailwind=False,
        show_welcome_message=False,
    )

    @app.get("/", include_in_schema=False)
    def home() -> RedirectResponse:
        return RedirectResponse(f"{_PATH}/")
