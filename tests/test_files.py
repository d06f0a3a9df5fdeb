"""Atomic writing and hashing."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from core import files


def fail_half_way(path: Path) -> None:
    path.write_text("half")
    raise OSError("disk full")


@pytest.mark.parametrize("before", [None, "old"])
def test_a_write_that_fails_half_way_changes_nothing(tmp_path: Path, before: str | None) -> None:
    target = tmp_path / "target"
    if before is not None:
        target.write_text(before)
    with pytest.raises(OSError, match="disk full"):
        files.write_atomically(target, fail_half_way)
    assert (target.read_text() if target.exists() else None) == before
    assert list(tmp_path.iterdir()) == ([target] if before else [])


def test_a_write_replaces_and_leaves_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "target"
    for text in ("one", "two – ü"):
        files.write_text(target, text)
        assert target.read_text(encoding="utf-8") == text
    assert list(target.parent.iterdir()) == [target]
    assert target.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": [float("-inf")]}, object(), {1, 2}])
def test_what_json_cannot_say_is_refused(tmp_path: Path, value: Any) -> None:
    target = tmp_path / "x.json"
    files.write_json(target, {"old": 1})
    with pytest.raises((ValueError, TypeError)):
        files.write_json(target, value)
    with pytest.raises((ValueError, TypeError)):
        files.append_line(target, value)
    assert json.loads(target.read_text()) == {"old": 1}
    assert list(tmp_path.iterdir()) == [target]


def test_json_comes_back_and_is_readable(tmp_path: Path) -> None:
    value = {"b": [1, 2.5, None], "a": "ü 🎬\n", "nested": {"x": True}}
    files.write_json(tmp_path / "x.json", value)
    text = (tmp_path / "x.json").read_text(encoding="utf-8")
    assert json.loads(text) == value
    assert "ü 🎬" in text
    assert text.endswith("}\n")


def test_lines_are_appended_one_a_value(tmp_path: Path) -> None:
    values = [{"n": 1}, {"text": "two\nlines"}, {"n": 3}]
    for value in values:
        files.append_line(tmp_path / "x.jsonl", value)
    lines = (tmp_path / "x.jsonl").read_text(encoding="utf-8").split("\n")
    assert lines.pop() == ""
    assert list(map(json.loads, lines)) == values


@pytest.mark.parametrize("size", [0, 1, 1 << 20])
def test_the_hash_is_that_of_the_bytes(tmp_path: Path, size: int) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    (tmp_path / "x").write_bytes(content[:size])
    assert files.sha256(tmp_path / "x") == hashlib.sha256(content[:size]).hexdigest()
