"""`gar serve`: the API and the page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gar.cli.options import Device, Dtype, Model

__all__ = ["serve"]

_KEYS_VARIABLE = "GAR_API_KEYS"
_WHERE = "Where"
_WHO = "Who may ask"
_LIMITS = "Limits"


def serve(
    model: Model = "nano",
    device: Device = None,
    dtype: Dtype = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 is every one of this machine.", rich_help_panel=_WHERE)
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.", rich_help_panel=_WHERE)
    ] = 8000,
    page: Annotated[
        bool, typer.Option("--page/--no-page", help="A page for people, at /.", rich_help_panel=_WHERE)
    ] = True,
    api_keys: Annotated[
        Path | None,
        typer.Option(
            "--api-keys",
            metavar="FILE",
            help=f"Hashes of the keys to let in, one a line; or set {_KEYS_VARIABLE}. Without, everybody is let in.",
            rich_help_panel=_WHO,
            show_default=False,
        ),
    ] = None,
    new_key: Annotated[
        bool,
        typer.Option(
            "--new-key", help="Print a new key and its hash for FILE, and do nothing else.", rich_help_panel=_WHO
        ),
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host",
            metavar="HOST",
            help="Fetch pictures from this host, if its addresses are public (repeat it). Without, from none.",
            rich_help_panel=_LIMITS,
            show_default=False,
        ),
    ] = None,
    queue: Annotated[
        int, typer.Option(min=1, help="Most questions that wait; the next is told 429.", rich_help_panel=_LIMITS)
    ] = 128,
    batch: Annotated[
        int, typer.Option(min=1, help="Most questions that are answered at once.", rich_help_panel=_LIMITS)
    ] = 32,
    max_seconds: Annotated[
        float, typer.Option(min=0.1, help="Most seconds of a request, waiting included.", rich_help_panel=_LIMITS)
    ] = 120.0,
    max_tokens: Annotated[int, typer.Option(min=1, help="Most tokens of one answer.", rich_help_panel=_LIMITS)] = 1024,
    max_regions: Annotated[
        int, typer.Option(min=1, help="Most regions that one request describes.", rich_help_panel=_LIMITS)
    ] = 64,
    max_pixels: Annotated[
        int, typer.Option(min=1, help="Most pixels of a picture or mask.", rich_help_panel=_LIMITS)
    ] = 32_000_000,
    max_body_bytes: Annotated[
        int, typer.Option(min=1, help="Most bytes of a request.", rich_help_panel=_LIMITS)
    ] = 32_000_000,
) -> None:
    """Serve a model: an API as OpenAI's, and a page for people.

    Only this machine can reach it, unless --host says otherwise; then give it keys.

    **Examples**

    `gar serve`

    `gar serve --model HaochenWang/GAR-1B --port 9000 --no-page`

    `gar serve --new-key`

    `gar serve --host 0.0.0.0 --api-keys keys.txt --allow-host upload.wikimedia.org`

    `curl http://127.0.0.1:8000/v1/models`
    """
    import os

    from gar.serving.keys import Keys

    if new_key:
        key, line = Keys.make()
        typer.echo(f"key, for whoever asks:  {key}\nline for the keys file: {line}")
        return
    from gar.serving.app import create_app
    from gar.serving.limits import Limits
    from gar.serving.server import bind, run

    keys = None
    if api_keys is not None:
        keys = Keys.read(api_keys)
    elif os.environ.get(_KEYS_VARIABLE):
        keys = Keys(os.environ[_KEYS_VARIABLE].replace(",", "\n").splitlines(), _KEYS_VARIABLE)
    limits = Limits(
        max_seconds=max_seconds,
        max_tokens=max_tokens,
        max_regions=max_regions,
        max_pixels=max_pixels,
        max_body_bytes=max_body_bytes,
    )
    # before the model is loaded: an address that is taken is told at once, and who comes early waits
    with bind(host, port) as listener:
        import gar
        from gar.serving.logs import log_to_stderr
        from gar.serving.worker import Worker

        worker = Worker(gar.load(model, device=device, dtype=dtype), max_waiting=queue, max_rows=batch)
        app = create_app(worker, page=page, limits=limits, keys=keys, allow_hosts=frozenset(allow_host or ()))
        address, bound = listener.getsockname()[:2]
        name = f"[{address}]" if ":" in address else address
        what = "API below /v1, page at /" if page else "API below /v1"
        typer.echo(f"Serving {model} on http://{name}:{bound} ({what}). {_who(address, guarded=keys is not None)}")
        log_to_stderr()
        run(app, worker, listener, grace=max_seconds)


def _who(address: str, *, guarded: bool) -> str:
    """Who can reach the server, in a sentence."""
    from ipaddress import ip_address

    where = "Only this machine can reach it" if ip_address(address).is_loopback else "Other machines can reach it"
    return f"{where}; {'a key is needed' if guarded else 'no key is needed'}."
