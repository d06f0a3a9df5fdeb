"""Hashes of files, remembered: a file is read again only where its size, its times or its inode say that it changed."""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from huggingface_hub.utils.sha import git_hash

from core.files import sha256, write_json

REMEMBERED = "verdict-hashes.json"
"""The file with the hashes of a repo's files, in the repo's folder of the Hub client's cache."""
TICK = 20_000_000
"""Nanoseconds; the clock that stamps files moves in steps, of 10 milliseconds at most."""

Kind = Literal["sha256", "git"]
HASHES: dict[Kind, Callable[[Path], str]] = {"sha256": sha256, "git": lambda path: git_hash(path.read_bytes())}
"""The Hub names large files by SHA-256, small ones as git does."""


class Memory:
    """The hashes that `folder`'s file of them holds; one that is lost, damaged or not writable costs time only."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known = _read(folder / REMEMBERED)
        self._new = False

    def hash(self, path: Path, kind: Kind, *, afresh: bool = False) -> str:
        """The file's hash in hex: the remembered one of an unchanged file, unless it is wanted `afresh`."""
        name, identity = self._name(path), _identity(path)
        entry = self._known.get(name)
        if not isinstance(entry, dict) or entry.get("identity") != identity:
            entry = {"identity": identity}
        if afresh or not isinstance(entry.get(kind), str):
            _wait_for_next_tick(path)
            entry = entry | {kind: HASHES[kind](path)}
            if _identity(path) == identity:
                self._known[name], self._new = entry, True
        return str(entry[kind])

    def save(self) -> None:
        """Store what was learnt; a cache that cannot be written to is no reason to fail."""
        if self._new:
            with suppress(OSError):
                write_json(self._folder / REMEMBERED, self._known)
            self._new = False

    def _name(self, path: Path) -> str:
        real = path.resolve()
        return real.relative_to(self._folder).as_posix() if real.is_relative_to(self._folder) else str(real)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _identity(path: Path) -> list[int]:
    """What changes when a file does; the time of its last change of any kind cannot be set back."""
    found = path.stat()
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev]


def _wait_for_next_tick(path: Path) -> None:
    """Let a file that was written just now grow older, or a change that follows could carry the same time."""
    age = time.time_ns() - path.stat().st_ctime_ns
    if 0 <= age < TICK:
        time.sleep((TICK - age) / 1e9)
