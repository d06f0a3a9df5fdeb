"""Publishing and fetching, against a real local Hub that can be made to lie."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import get_token

from core import hub, integrity
from core.errors import (
    HubConflict,
    HubRefused,
    ModelError,
    NotOnHub,
)
from core.hub import MANIFEST, Publication
from tests.small_repo import FILES, publish, with_manifest

NOWHERE = "0" * 40


def names(repo: str, commit: str) -> set[str]:
    return set(hub.listing(repo, commit)) - {".gitattributes"}


def test_a_publication_is_one_commit_with_exactly_its_files(repo: str) -> None:
    commit = publish(repo)
    assert names(repo, commit) == {*FILES, MANIFEST}
    found = hub.fetch(repo, commit)
    assert {name: (found.folder / name).read_bytes() for name in FILES} == FILES
    assert found.name == f"{repo}@{commit}"
    newest, oldest = hub.history(repo)
    assert (newest["commit"], newest["title"], oldest["title"]) == (commit, "Publish", "initial commit")


def test_publishing_again_removes_what_is_stale_and_keeps_the_past(repo: str) -> None:
    first = publish(repo)
    second = publish(repo, {"config.json": b'{"a": 2}', "vocab.txt": b"x"}, "Again")
    assert names(repo, second) == {"config.json", "vocab.txt", MANIFEST}
    assert names(repo, first) == {*FILES, MANIFEST}
    assert (hub.fetch(repo, first).folder / "config.json").read_bytes() == FILES["config.json"]
    assert (hub.fetch(repo, second).folder / "config.json").read_bytes() == b'{"a": 2}'
    assert [each["title"] for each in hub.history(repo)] == ["Again", "Publish", "initial commit"]


@pytest.mark.parametrize(
    "name",
    [
        "pytorch_model.bin", "x.pt", "x.pth", "x.pkl", "x.pickle", "x.ckpt", "x.joblib", "x.py", "x.BIN", "a/x.h5",
        "x.npy",
    ],
)  # fmt: skip
def test_formats_that_can_carry_code_are_not_published(repo: str, name: str) -> None:
    with pytest.raises(ModelError, match=name):
        hub.publish(repo, {**FILES, name: b"x"}, "Publish")
    with pytest.raises(NotOnHub):
        hub.resolve(repo)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "training_args.bin", "model.py", "x.pkl", "notes.txt"])
def test_formats_that_can_carry_code_are_not_downloaded(repo: str, name: str) -> None:
    publish(repo)
    commit = hub.api().upload_file(path_or_fileobj=b"x", path_in_repo=name, repo_id=repo).oid
    assert not (hub.fetch(repo, commit).folder / name).exists()


class Interloper(dict[str, Path | bytes]):
    """Files whose publisher is overtaken by somebody else, after it has looked at the repo."""

    def __init__(self, repo: str, files: dict[str, Path | bytes]) -> None:
        super().__init__(files)
        self._repo = repo

    def items(self):  # type: ignore[no-untyped-def]
        hub.api().upload_file(path_or_fileobj=b"theirs", path_in_repo="theirs.json", repo_id=self._repo)
        return super().items()


def test_nothing_is_overwritten_unseen(repo: str) -> None:
    publish(repo)
    with pytest.raises(HubConflict, match="nothing was written"):
        hub.publish(repo, Interloper(repo, with_manifest({"config.json": b"mine"})), "Late")
    _, head = hub.resolve(repo)
    assert names(repo, head) == {*FILES, MANIFEST, "theirs.json"}


@pytest.mark.parametrize("revision", ["", "@main", "@{0}", "@{1}"])
def test_a_name_becomes_a_full_commit(repo: str, revision: str) -> None:
    commit = publish(repo)
    assert hub.resolve(f" {repo}{revision.format(commit, commit[:7])} ") == (repo, commit)


@pytest.mark.parametrize("part", ["model", "evaluation", "all"])
def test_only_what_is_needed_is_fetched(repo: str, part: str, tmp_path: Path) -> None:
    folder = hub.fetch(repo, publish(repo), part, cache=tmp_path).folder  # type: ignore[arg-type]
    assert (folder / MANIFEST).is_file()
    assert (folder / "model.safetensors").exists() == (part != "evaluation")
    assert (folder / "evaluation/predictions/test.parquet").exists() == (part != "model")


def test_both_parts_come_together(repo: str, tmp_path: Path) -> None:
    commit = publish(repo)
    for part in ("evaluation", "model"):
        found = hub.fetch(repo, commit, part, cache=tmp_path)  # type: ignore[arg-type]
    assert integrity.missing(found) == []
    assert integrity.check(found).bad == []


OFFLINE = """
import sys, time
from core import hub, integrity
from core.errors import HubUnreachable
repo, commit = sys.argv[1:]
start = time.monotonic()
found = hub.fetch(repo, commit)
print("fetched", (found.folder / "config.json").read_text(), flush=True)
for what in (lambda: hub.resolve(repo), lambda: hub.publish(repo, {"x.json": b"{}"}, "x")):
    try:
        what()
    except HubUnreachable as error:
        print("unreachable", error, flush=True)
print("seconds", time.monotonic() - start, flush=True)
checked = integrity.check(found)
print("checked", checked.against_hub, checked.bad, flush=True)
try:
    integrity.check(found, strict=True)
except HubUnreachable:
    print("strict", flush=True)
"""


@pytest.fixture
def offline(repo: str) -> Callable[[str], list[str]]:
    """Runs a script where the Hub does not answer but the cache is warm; returns its lines."""
    commit = publish(repo)
    hub.fetch(repo, commit)

    def go(script: str) -> list[str]:
        # Port 9 discards; nothing listens there.
        environment = os.environ | {"HF_ENDPOINT": "http://127.0.0.1:9"}
        command = [sys.executable, "-c", script, repo, commit]
        with subprocess.Popen(
            command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as it:
            try:
                return it.communicate(timeout=8)[0].splitlines()
            except subprocess.TimeoutExpired:
                it.kill()
                return it.communicate()[0].splitlines()

    return go


def test_what_was_fetched_can_be_used_without_the_hub(offline: Callable[[str], list[str]]) -> None:
    lines = offline(OFFLINE.split("checked =")[0])
    assert lines[0] == 'fetched {"a": 1}'
    assert len(lines) == 4
    assert all("http://127.0.0.1:9 does not answer" in line for line in lines[1:3])
    assert float(lines[3].split()[1]) < 3


def test_a_check_without_the_hub_says_so_soon(offline: Callable[[str], list[str]]) -> None:
    # The client tries a listing again and again, for 23 seconds; a page that waits so long looks dead.
    lines = offline(OFFLINE)
    assert lines[4:] == ["checked False []", "strict"]


def test_a_cold_cache_without_the_hub_is_said(repo: str, tmp_path: Path) -> None:
    script = f"from core import hub\nhub.fetch({repo!r}, {NOWHERE!r}, cache={str(tmp_path)!r})"
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    found = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=60)
    assert "core.errors.HubUnreachable" in found.stderr
    assert "is not in the cache on this machine" in found.stderr


MALFORMED = ["", "@", "a/b/c", "two words/x", "../x", "a/..", "/x", "x/", "-a/b", "demo/" + "x" * 100]


@pytest.mark.parametrize("name", MALFORMED)
@pytest.mark.parametrize("revision", ["", f"@{NOWHERE}"])
def test_a_malformed_name_is_said(name: str, revision: str) -> None:
    with pytest.raises(NotOnHub, match="is no name of a model: write user/name"):
        hub.fetch(*hub.resolve(name + revision))


@pytest.mark.parametrize("name", ["demo/none", "nobody/none", "none", f"demo/none@{NOWHERE}"])
def test_a_repo_that_is_not_there_is_said(name: str) -> None:
    with pytest.raises(NotOnHub, match=f"There is no {name}.* on http://"):
        hub.fetch(*hub.resolve(name))


@pytest.mark.parametrize("revision", ["nowhere", NOWHERE, "refs/pr/1", "0000000"])
def test_a_revision_that_is_not_there_is_said(repo: str, revision: str) -> None:
    publish(repo)
    with pytest.raises(NotOnHub, match="the repo is there, but not this revision"):
        hub.fetch(*hub.resolve(f"{repo}@{revision}"))


ACTIONS: dict[str, Callable[[str, str], object]] = {
    "publish": lambda repo, commit: hub.publish(repo, {"config.json": b"{}"}, "x"),
    "publish anew": lambda repo, commit: hub.publish(repo + "-new", {"config.json": b"{}"}, "x"),
    "resolve": lambda repo, commit: hub.resolve(repo),
    "fetch": lambda repo, commit: hub.fetch(repo, commit, cache=Path(os.environ["HF_HOME"]) / "cold"),
    "history": lambda repo, commit: hub.history(repo),
}


@pytest.mark.parametrize("action", ACTIONS)
def test_a_wrong_token_is_said_and_not_shown(repo: str, action: str, monkeypatch: pytest.MonkeyPatch) -> None:
    commit, token = publish(repo), "hf_wrongwrongwrongwrongwrongwrong"
    monkeypatch.setenv("HF_TOKEN", token)
    assert get_token() == token
    with pytest.raises(HubRefused, match="HF_TOKEN is missing, wrong, or lacks the right") as caught:
        ACTIONS[action](repo, commit)
    assert token not in str(caught.value) + repr(caught.value.__cause__)


@pytest.mark.parametrize("action", ["publish", "publish anew"])
@pytest.mark.parametrize("token", ["read", "none"])
def test_reading_does_not_give_the_right_to_write(
    repo: str, action: str, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = publish(repo)
    tokens = json.loads((Path(os.environ["VERDICT_TEST_HUB"]) / "tokens.json").read_text())
    monkeypatch.setenv("HF_TOKEN", tokens["read"] if token == "read" else "")
    with pytest.raises(HubRefused) as caught:
        ACTIONS[action](repo, commit)
    assert tokens["read"] not in str(caught.value)
    assert hub.resolve(repo) == (repo, commit)


def test_another_ones_namespace_is_refused() -> None:
    with pytest.raises(HubRefused, match="The Hub refused other/model"):
        hub.publish("other/model", {"config.json": b"{}"}, "x")


def test_a_private_repo_is_not_there_for_others(repo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.publish(repo, with_manifest(FILES), "x", private=True)
    monkeypatch.setenv("HF_TOKEN", "")
    with pytest.raises(NotOnHub, match="HF_TOKEN may not see it"):
        hub.resolve(repo)


def test_fetching_again_asks_nobody(fetched: Publication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*where: object, **how: object) -> None:
        raise AssertionError(f"asked the network: {where}")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("huggingface_hub.utils._http._GLOBAL_CLIENT", None)
    start = time.monotonic()
    again = hub.fetch(fetched.repo, fetched.commit, cache=tmp_path / "cache")
    assert again == fetched
    assert time.monotonic() - start < 1
