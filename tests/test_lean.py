"""Memory that is free goes back to the system, and what people set for oneDNN stays."""

import os
from pathlib import Path

import pytest

from train import lean


def resident() -> int:
    """Bytes of this process that are in memory."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


def test_release_gives_back_what_lies_between_blocks_in_use() -> None:
    blocks = [bytes(1_000) for _ in range(200_000)]
    last = blocks[-1]  # above all others: the heap cannot simply shrink
    blocks.clear()
    held = resident()
    lean.release()
    assert held - resident() > 100_000_000
    assert len(last) == 1_000


@pytest.mark.parametrize("name", lean.CACHES)
def test_a_limit_is_set_where_there_is_none(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(name, raising=False)
    lean.economise()
    assert os.environ[name] == lean.CACHES[name]
    monkeypatch.setenv(name, "7")
    lean.economise()
    assert os.environ[name] == "7"
