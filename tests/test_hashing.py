"""Hashes are remembered for files that did not change, and for no others."""

import hashlib
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub.utils.sha import git_hash

from core import hashing, hub, integrity
from core.hashing import HASHES, REMEMBERED, Memory
from core.hub import Publication

Change = Callable[[Path], object]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are read to be hashed."""
    seen: list[str] = []

    def counted(kind: hashing.Kind) -> Callable[[Path], str]:
        read = HASHES[kind]
        return lambda path: (seen.append(path.name), read(path))[1]

    for kind in ("sha256", "git"):
        monkeypatch.setitem(HASHES, kind, counted(kind))
    return seen


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file whose hash is remembered."""
    path = tmp_path / "file"
    path.write_bytes(b"content")
    memory = Memory(tmp_path)
    memory.hash(path, "sha256")
    memory.save()
    return path


def test_an_unchanged_file_is_read_once_for_each_hash(file: Path, reads: list[str]) -> None:
    for _ in range(2):
        memory = Memory(file.parent)
        assert memory.hash(file, "sha256") == hashlib.sha256(b"content").hexdigest()
        assert memory.hash(file, "git") == git_hash(b"content")
        memory.save()
    assert reads == ["file"]  # git's hash was not known yet


def set_back(path: Path, change: Change) -> None:
    """Change a file and give it back its time."""
    before = path.stat()
    change(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(b"CONTENT")
    other.replace(path)


CHANGES: dict[str, Change] = {
    "another size": lambda path: path.write_bytes(b"more content"),
    "the same size": lambda path: path.write_bytes(b"CONTENT"),
    "the same size and time": lambda path: set_back(path, lambda path: path.write_bytes(b"CONTENT")),
    "another inode": replace,
    "another inode, the same time": lambda path: set_back(path, replace),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_changed_is_never_trusted(file: Path, change: str) -> None:
    CHANGES[change](file)
    assert Memory(file.parent).hash(file, "sha256") == hashlib.sha256(file.read_bytes()).hexdigest()


def test_a_file_is_not_read_in_the_moment_it_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second write could carry the same time: the clock that stamps files moves in steps on many systems."""
    ages: list[int] = []
    monkeypatch.setitem(HASHES, "sha256", lambda path: str(ages.append(time.time_ns() - path.stat().st_ctime_ns)))
    (tmp_path / "file").write_bytes(b"content")
    Memory(tmp_path).hash(tmp_path / "file", "sha256")
    assert ages[0] >= hashing.TICK


DAMAGE: dict[str, Change] = {
    "lost": lambda path: path.unlink(),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:20]),
    "empty": lambda path: path.write_bytes(b""),
    "a list": lambda path: path.write_text("[1]"),
    "of another shape": lambda path: path.write_text('{"file": 5}'),
    "too deep": lambda path: path.write_text("[" * 100_000),
    "no text": lambda path: path.write_bytes(b"\xff\xfe"),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_memory_costs_time_only(file: Path, damage: str) -> None:
    DAMAGE[damage](file.with_name(REMEMBERED))
    memory = Memory(file.parent)
    assert memory.hash(file, "sha256") == hashlib.sha256(b"content").hexdigest()
    memory.save()


def test_a_check_of_what_did_not_change_reads_nothing(fetched: Publication, reads: list[str]) -> None:
    first = integrity.check(fetched)
    assert len(set(reads)) == len(first.files)
    reads.clear()
    again = integrity.check(hub.Publication(fetched.repo, fetched.commit, fetched.folder))
    assert reads == []
    assert again == first
    assert not list(fetched.cache.glob(f".{REMEMBERED}*"))


def test_only_the_file_that_changed_is_read_again(fetched: Publication, reads: list[str]) -> None:
    integrity.check(fetched)
    reads.clear()
    (fetched.folder / "config.json").write_bytes(b'{"a": 2}')
    assert [each.path for each in integrity.check(fetched).bad] == ["config.json"]
    assert set(reads) == {"config.json"}


def test_a_wrong_memory_refuses_nothing(fetched: Publication) -> None:
    integrity.check(fetched)
    memory = fetched.cache / REMEMBERED
    other = re.sub(
        r'("(?:sha256|git)": ")(.)', lambda found: f"{found[1]}{int(found[2], 16) ^ 1:x}", memory.read_text()
    )
    memory.write_text(other)
    assert integrity.check(fetched).bad == []
