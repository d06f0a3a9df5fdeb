"""What a run says of the machine that made it, and what it does not."""

import getpass
import platform
import re
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

from core.files import PROJECT
from core.runs import Run
from train import environment


def test_versions_are_those_installed() -> None:
    found = environment.describe(7)
    assert found["packages"] == {name: version(name) for name in environment.PACKAGES}
    assert found["python"] == platform.python_version()
    assert (found["seed"], found["threads"]) == (7, torch.get_num_threads())


@pytest.mark.parametrize(
    "name", ["environment.json", "data.json", "history.jsonl", "metrics.json", "model/config.json"]
)
def test_nothing_names_the_machine_or_its_user(run: Run, name: str) -> None:
    text = (run.path / name).read_text(encoding="utf-8")
    for secret in (platform.node(), getpass.getuser()):
        assert not re.search(rf"\b{re.escape(secret)}\b", text), secret
    for path in (str(Path.home()), str(PROJECT), str(run.path)):
        assert path not in text


def test_the_code_is_named_by_commit_in_a_checkout_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "PROJECT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert environment.describe(0)["code"] == {}
    git = environment._git
    git("init", "-q")
    git("-c", "user.name=x", "-c", "user.email=x@x", "commit", "-q", "--allow-empty", "-m", "x")
    assert environment.describe(0)["code"] == {"commit": git("rev-parse", "HEAD"), "dirty": False}
    (tmp_path / "new").write_text("")
    assert environment.describe(0)["code"]["dirty"] is True
