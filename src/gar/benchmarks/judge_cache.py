"""Verdicts kept on disk, so that none is paid for twice and a run that was killed goes on where it stopped.

One SQLite file, one row a verdict, with the request as JSON and the reply as it came; readable with `sqlite3`:

    select model, reply from verdicts where request like '%frog%';

Choices:

* the key is a digest of everything that goes in: model, address, messages, and all settings of the sampling. A picture
  stands in the stored request as the digest of its data URL, which keeps the file small and the key exact;
* a verdict is on disk before it is handed out, in a transaction of its own with SQLite's rollback journal, so a process
  may be killed at any time, several may share the file, and it may lie on a network drive (where the faster WAL mode
  is not safe);
* only replies are kept. A failure is asked again the next time; the key to the API is never part of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from gar.benchmarks.reading import check
from gar.errors import InputError

__all__ = ["JudgeCache", "Kept", "canonical_request", "usual_cache"]

_PATIENCE = 60.0
"""Seconds to wait for another process that writes."""
_SCHEMA = """
create table if not exists verdicts (
    key text primary key,
    model text not null,
    request text not null,
    reply text not null,
    prompt_tokens integer,
    new_tokens integer,
    kept_at text not null default current_timestamp
) without rowid
"""


@dataclass(frozen=True)
class Kept:
    """A verdict as it was kept."""

    reply: str
    prompt_tokens: int | None
    new_tokens: int | None


_KEPT = {"reply": str, "prompt_tokens": (int, None), "new_tokens": (int, None)}


def usual_cache() -> Path:
    """Where verdicts are kept unless somebody says otherwise: `gar/judge.sqlite` in the user's folder of caches."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gar" / "judge.sqlite"


class JudgeCache:
    """A file of verdicts. May be used from several threads and processes.

    Args:
        path: The file; made, with its folders, if it is not there.

    Raises:
        InputError: The file cannot be written, or is no such file.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot make the folder of the cache {str(self.path)!r}: {error}") from error
        with self._open() as database:
            database.execute(_SCHEMA)

    def get(self, request: str) -> Kept | None:
        """The verdict on a canonical request, if there is one."""
        query = "select reply, prompt_tokens, new_tokens from verdicts where key = ?"
        with self._open() as database:
            row = database.execute(query, (_digest(request),)).fetchone()
        if row is None:
            return None
        kept = Kept(*row)
        check(vars(kept), _KEPT, f"the cache of verdicts {str(self.path)!r} is damaged")
        return kept

    def put(self, request: str, kept: Kept) -> None:
        """Keeps the verdict on a canonical request; the last one stays."""
        model = json.loads(request)["model"]
        row = (_digest(request), model, request, kept.reply, kept.prompt_tokens, kept.new_tokens)
        columns = "key, model, request, reply, prompt_tokens, new_tokens"
        with self._open() as database:
            database.execute(f"insert or replace into verdicts ({columns}) values (?, ?, ?, ?, ?, ?)", row)

    def __len__(self) -> int:
        with self._open() as database:
            return int(database.execute("select count(*) from verdicts").fetchone()[0])

    @contextmanager
    def _open(self) -> Generator[sqlite3.Connection]:
        """A connection and a transaction; short ones, so that nothing is shared between threads."""
        try:
            with closing(sqlite3.connect(self.path, timeout=_PATIENCE)) as database, database:
                yield database
        except sqlite3.Error as error:
            raise InputError(f"the cache of verdicts {str(self.path)!r} cannot be used: {error}") from error


def canonical_request(
    settings: Mapping[str, Any], messages: Sequence[Mapping[str, Any]], sampling: Mapping[str, Any]
) -> str:
    """All that goes into a verdict as JSON of one form; pictures as digests.

    Args:
        settings: Of the judge, with its "model".
        messages: OpenAI-style.
        sampling: max_tokens, temperature and top_p.

    Example:
        >>> canonical_request({"model": "m"}, [{"role": "user", "content": "Is 2 even?"}], {"max_tokens": 5})
        '{"max_tokens":5,"messages":[{"content":"Is 2 even?","role":"user"}],"model":"m"}'
    """
    value = {**settings, **sampling, "messages": [_without_pictures(message) for message in messages]}
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _without_pictures(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_pictures(inner) for name, inner in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, (list, tuple)):
        return [_without_pictures(inner) for inner in cast("Sequence[Any]", value)]
    if isinstance(value, str) and value.startswith("data:"):
        return f"sha256:{_digest(value)}"
    return value


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
