"""What the processor tells of itself, and what follows for the backends."""

import platform
from pathlib import Path

import pytest

from core import backends, machine


@pytest.mark.parametrize(
    ("told", "name", "bytes_multiplied"),
    [
        ("model name\t: A 1\nflags\t\t: fpu avx2 fma\n\nmodel name\t: A 2\nflags\t\t: avx_vnni\n", "A 1", False),
        ("model name\t: B\nflags\t\t: fpu avx2 avx512_vnni\n", "B", True),
        ("processor\t: 0\nFeatures\t: fp asimd asimddp\n", platform.processor() or "unknown", True),
        ("", platform.processor() or "unknown", True),
    ],
)
def test_what_is_told_is_read(
    told: str, name: str, bytes_multiplied: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpuinfo").write_text(told)
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "cpuinfo")
    assert machine.processor() == name
    assert machine.multiplies_bytes() is bytes_multiplied
    assert ("onnx-int8" in backends.useful()) is bytes_multiplied


def test_a_system_that_tells_nothing_has_every_instruction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "none")
    assert machine.processor() == (platform.processor() or "unknown")
    assert machine.multiplies_bytes()
