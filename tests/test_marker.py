"""The search for the token finds it where it is."""

import os
from pathlib import Path

import pytest

from tests import marker


def test_the_token_is_found_in_output() -> None:
    sections = [("Captured stdout call", "all is well"), ("Captured log call", "Authorization: Bearer secret-7")]
    assert marker.in_output("secret-7", sections) == ["Captured log call"]


@pytest.mark.parametrize("content", [b"x secret-7 y", b"\x00\xff secret-7"])
def test_the_token_is_found_in_files(tmp_path: Path, content: bytes) -> None:
    for name in ("a/run.json", "a/tokens.json", "b/other.bin"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content if "other" not in name else b"nothing")
    (tmp_path / "b" / "secret-7.txt").touch()
    assert [path.name for path in marker.in_files("secret-7", tmp_path)] == ["run.json", "secret-7.txt"]


def test_these_tests_have_a_token_that_can_be_found() -> None:
    assert os.environ["HF_TOKEN"].startswith("hf_")
    assert len(os.environ["HF_TOKEN"]) > 30
    assert not list(marker.in_files(os.environ["HF_TOKEN"], Path(os.environ["VERDICT_TEST_HOME"])))
