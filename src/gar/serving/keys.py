"""Who may ask: keys, of which the server knows only SHA-256 hashes.

A key is long and random (`Keys.make`), so a plain hash is enough: there is nothing to guess.

In a file or an environment variable stands one hash a line (or, in the variable, between commas), as
`sha256:` and 64 hexadecimal digits; empty lines and those that begin with `#` are left out.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from pathlib import Path

from gar.errors import InputError

__all__ = ["Keys"]

_HASH = re.compile(r"sha256:([0-9a-f]{64})")
_MAX_FILE_BYTES = 1_000_000


class Keys:
    """Hashes of the keys that are accepted.

    Args:
        lines: One hash each.
        where: Where they stand, for messages.

    Raises:
        InputError: A line is not a hash, or there is none.

    Example:
        >>> key, line = Keys.make()
        >>> Keys([line], "a test").accepts(key), Keys([line], "a test").accepts("another")
        (True, False)
    """

    def __init__(self, lines: Iterable[str], where: str):
        hashes: list[bytes] = []
        for number, line in enumerate(lines, 1):
            text = line.strip().lower()
            if not text or text.startswith("#"):
                continue
            found = _HASH.fullmatch(text)
            if found is None:
                raise InputError(
                    f"entry {number} of {where} is not the hash of a key; needed is sha256: and 64 hexadecimal digits, "
                    "as `gar serve --new-key` prints it"
                )
            hashes.append(bytes.fromhex(found[1]))
        if not hashes:
            raise InputError(f"{where} holds no key; add one that `gar serve --new-key` prints")
        self._hashes = hashes

    @classmethod
    def read(cls, path: Path) -> Keys:
        """Those of a file.

        Raises:
            InputError: The file cannot be read, is no text, or holds something else.
        """
        try:
            with path.open(encoding="utf-8") as file:
                text = file.read(_MAX_FILE_BYTES)
        except OSError as error:
            raise InputError(f"the keys file {str(path)!r} cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise InputError(f"the keys file {str(path)!r} is not UTF-8 text") from error
        return cls(text.splitlines(), f"the keys file {str(path)!r}")

    @staticmethod
    def make() -> tuple[str, str]:
        """A new key, and the line that stands for it."""
        key = f"gar-{secrets.token_urlsafe(32)}"
        return key, f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"

    def accepts(self, key: str) -> bool:
        """Whether a key is one of them; the time that it takes tells nothing."""
        own = hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
        # all are compared, with no early end
        return sum(hmac.compare_digest(own, known) for known in self._hashes) > 0
