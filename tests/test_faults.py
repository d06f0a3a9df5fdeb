"""A Hub that misbehaves: every fault ends in success or in words, and leaves the Hub's store and our cache whole."""

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import pytest
import streamlit as st
from huggingface_hub import constants
from huggingface_hub.utils.sha import git_hash
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.testing.v1 import AppTest

from core import client, hub, watch
from core.errors import HubConflict, HubError, HubRefused, HubUnreachable, IntegrityError, NotOnHub
from core.hub import MANIFEST
from core.verify import verify
from tests.small_repo import FILES, publish, with_manifest
from tests.test_pages import page, words
from train.localhub import faults as fault
from train.localhub.faults import Act, Faults
from train.localhub.server import serving_elsewhere

ONCE, LASTING = 1, float("inf")
COMMIT, UPLOAD = "POST .*/commit/", "PUT .*/objects/"
README, LISTING, ANYTHING = "GET .*/resolve/.*/README.md", "GET /api/models/[^/]*/[^/]*/revision", ""
NEW = FILES | {"config.json": b'{"a": 2}', "model.safetensors": bytes(range(255, -1, -1)) * 40}
RECOVERS = None
PATIENCE = {name: getattr(client, name) for name in ("CONNECT", "READ", "CHANGE")}
"""Seconds, as everybody gets them."""


@dataclass(frozen=True)
class Case:
    """A fault, where who writes and who reads meets it, and how that ends: RECOVERS, or an error and its words."""

    act: Act
    writing: str = ANYTHING
    reading: str = ANYTHING
    times: float = LASTING
    written: tuple[type[HubError], str] | None = RECOVERS
    read: tuple[type[HubError], str] | None = RECOVERS


def refused(act: Act, error: type[HubError], says: str, **routes: str) -> Case:
    return Case(act, written=(error, says), read=(error, says), **routes)


def busy(status: int, **headers: str) -> Act:
    return fault.answer(status, **headers)


DOWN = (HubUnreachable, "does not answer")
CASES = {
    "silent once": Case(fault.silence, COMMIT, README, ONCE),
    "silent": refused(fault.silence, *DOWN, writing=COMMIT, reading=LISTING),
    "401": refused(busy(401), HubRefused, "HF_TOKEN is missing, wrong"),
    "403": refused(busy(403), HubRefused, "HF_TOKEN is missing, wrong", writing=COMMIT),
    "403, gated": refused(busy(403, X_Error_Code="GatedRepo"), HubRefused, "is gated: accept its conditions"),
    "404": refused(busy(404, X_Error_Code="RepoNotFound"), NotOnHub, "There is no demo/"),
    "404 of a file": Case(busy(404, X_Error_Code="EntryNotFound"), UPLOAD, "(HEAD|GET) .*/README.md",
        written=(NotOnHub, "lacks a file"), read=(NotOnHub, "lacks a file")),
    "409": refused(busy(409), HubConflict, "nothing was written. Try again", writing=COMMIT),
    "412": refused(busy(412), HubConflict, "nothing was written. Try again", writing=COMMIT),
    "413": refused(busy(413), HubError, "more than the Hub takes", writing=COMMIT),
    "429 once": Case(busy(429, Retry_After="0"), COMMIT, README, ONCE),
    "429 for an hour": refused(busy(429, Retry_After="3600"), HubUnreachable, "asks for 3,600 seconds", writing=UPLOAD),
    "500 once": Case(busy(500), ANYTHING, README, ONCE),
    "500": refused(busy(500), HubUnreachable, "is not at work .it answers 500", writing=COMMIT),
    "502 once": Case(busy(502), UPLOAD, LISTING, ONCE),
    "502": refused(busy(502), HubUnreachable, "is not at work .it answers 502", reading=README),
    "503 once": Case(busy(503), COMMIT, "HEAD", ONCE),
    "503": refused(busy(503), HubUnreachable, "is not at work .it answers 503"),
    "reset while sending, once": Case(fault.break_upload, UPLOAD, LISTING, ONCE),
    "reset while sending": refused(fault.break_upload, *DOWN, writing=UPLOAD),
    "answer lost once": Case(fault.lose_answer, COMMIT, README, ONCE),
    "answer lost": Case(fault.lose_answer, COMMIT, LISTING, read=DOWN),
    "reset while receiving, once": Case(fault.cut_off("reset"), LISTING, README, ONCE),
    "reset while receiving": refused(fault.cut_off("reset"), *DOWN, writing=LISTING, reading=README),
    "truncated once": Case(fault.cut_off("end"), COMMIT, README, ONCE),
    "truncated": refused(fault.cut_off("end"), *DOWN, writing=LISTING, reading=README),
    "silent halfway, once": Case(fault.cut_off("silence"), COMMIT, README, ONCE),
    "silent halfway": refused(fault.cut_off("silence"), *DOWN, writing=LISTING, reading=README),
    "wrong length once": Case(fault.shorten, COMMIT, README, ONCE),
    "wrong length": Case(fault.shorten, LISTING, README, written=DOWN, read=(HubError, "did not come whole")),
    "corrupted once": Case(fault.corrupt, COMMIT, README, ONCE),
    "corrupted": Case(fault.corrupt, COMMIT, README, read=(IntegrityError, "README.md: differs from the Hub's list")),
    "corrupted when sent": Case(fault.corrupt_upload, UPLOAD, LISTING, ONCE, (HubError, "bytes received are not the")),
}  # fmt: skip


@pytest.fixture(autouse=True)
def impatient(faults: Faults, no_runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine without runs, with an empty cache, whose waits are short."""
    for name, seconds in {
        "FIRST_WAIT": 0.001,
        "LONGEST_WAIT": 0.01,
        "CONNECT": 0.2,
        "READ": 0.4,
        "CHANGE": 0.4,
    }.items():
        monkeypatch.setattr(client, name, seconds)
    for module in ("utils._http", "file_download"):
        monkeypatch.setattr(f"huggingface_hub.{module}.time", SimpleNamespace(sleep=lambda seconds: None))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(watch, "AGAIN", 0.05)
    yield
    st.cache_data.clear()
    st.cache_resource.clear()


def check(expected: tuple[type[HubError], str] | None, do: Callable[[], object]) -> None:
    if expected is RECOVERS:
        do()
        return
    error, says = expected
    with pytest.raises(error, match=says):
        do()


def commits(repo: str) -> list[str]:
    return [each["commit"] for each in hub.history(repo)]


def require_whole(repo: str) -> None:
    """Every file that the Hub's store names has the bytes that it is named by, and nothing else is in it."""
    folder = Path(os.environ["VERDICT_TEST_HUB"]) / "models" / repo
    large, small = ({path.name: path.read_bytes() for path in (folder / kind).iterdir()} for kind in ("lfs", "blobs"))
    assert {hashlib.sha256(content).hexdigest() for content in large.values()} == set(large)
    assert {git_hash(content) for content in small.values()} == set(small)
    named = [json.loads((folder / "commits" / f"{commit}.json").read_text())["files"] for commit in commits(repo)]
    assert {file["lfs"] or file["blob_id"] for files in named for file in files.values()} <= set(large) | set(small)


@pytest.mark.parametrize("name", CASES)
def test_publishing(name: str, repo: str, faults: Faults) -> None:
    case, before = CASES[name], publish(repo)
    faults.off()
    faults.on(case.writing, case.act, case.times)
    check(case.written, partial(publish, repo, NEW, "Again"))
    assert len(faults.requests) < 40
    faults.off()
    made, *earlier = commits(repo)
    if case.written is RECOVERS:
        assert earlier[0] == before
        assert {n: hub.listing(repo, made)[n].size for n in NEW} == {n: len(content) for n, content in NEW.items()}
    else:
        assert made == before
    require_whole(repo)
    assert publish(repo, NEW, "Again") == commits(repo)[0]
    assert len(commits(repo)) == 3  # however often: once


def read_by_verify(name: str) -> None:
    found = verify(name)
    if bad := [f"{each['path']}: {each['problem']}" for each in found["files"] if each["problem"]]:
        raise IntegrityError("; ".join(bad))
    assert {each["path"] for each in found["files"]} == {*FILES, MANIFEST}


@pytest.mark.parametrize("name", CASES)
def test_verifying(name: str, repo: str, faults: Faults) -> None:
    case, publication = CASES[name], f"{repo}@{publish(repo)}"
    faults.off()
    faults.on(case.reading, case.act, case.times)
    check(case.read, partial(read_by_verify, publication))
    assert len(faults.requests) < 40
    faults.off()
    read_by_verify(publication)


@pytest.mark.parametrize("name", CASES)
def test_loading_a_page(name: str, repo: str, faults: Faults) -> None:
    case, publication = CASES[name], f"{repo}@{publish(repo)}"
    faults.off()
    faults.on(case.reading, case.act, case.times)
    app = page("About", model=publication)
    assert not app.exception
    assert len(faults.requests) < 40
    check(case.read, partial(require_card, words(app), *(case.read or (HubError,))[:1]))
    faults.off()
    require_healed(publication)


def require_healed(publication: str) -> None:
    """Now that the Hub behaves, the cache gives what was published."""
    folder = hub.fetch(*publication.split("@")).folder
    assert {name: (folder / name).read_bytes() for name in FILES} == FILES
    assert not list(folder.parent.parent.rglob("*.incomplete"))


def require_card(shown: str, error: type[HubError]) -> None:
    """The page shows the card; what it says instead is raised."""
    if "# Card" not in shown:
        raise error(shown.replace("\\", ""))


@pytest.mark.parametrize("route", ["GET .*/revision/", "POST /api/repos/create", "POST .*/preupload/", COMMIT])
def test_a_request_is_sent_so_often_and_no_more(
    repo: str, route: str, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in PATIENCE.items():
        monkeypatch.setattr(client, name, seconds)
    faults.on(route, busy(503))
    with pytest.raises(HubUnreachable):
        publish(repo)
    assert len([request for request, _ in faults.requests if re.match(route, request)]) == client.ATTEMPTS


@pytest.mark.parametrize("how", ["reset", "end"])
def test_a_broken_download_goes_on_where_it_stopped(
    repo: str, how: Literal["reset", "end"], faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 512)  # of 10 MB, less than which the client forgets
    commit = publish(repo)
    faults.off()
    faults.on("GET .*/model.safetensors", fault.cut_off(how), ONCE)
    require_healed(f"{repo}@{commit}")
    first, second = (headers for request, headers in faults.requests if "GET" in request and "safetensors" in request)
    assert (first.get("range"), second.get("range")) == (None, f"bytes={len(FILES['model.safetensors']) // 2}-")


def test_a_server_where_no_connection_stands_is_given_up(repo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"{repo}@{publish(repo)}"
    with fault.nobody_accepts() as endpoint:
        monkeypatch.setattr(constants, "ENDPOINT", endpoint)
        for do in (partial(publish, repo), partial(verify, name), partial(hub.resolve, repo)):
            with pytest.raises(HubUnreachable, match=f"{endpoint} does not answer"):
                do()
        assert "does not answer" in words(page("About", model=name))


def test_an_old_listing_is_not_taken_for_the_new(repo: str, faults: Faults) -> None:
    old, new = publish(repo), publish(repo, NEW)
    faults.on("(GET|HEAD) /api/", fault.stale({new: old}))
    with pytest.raises(HubUnreachable, match=f"no listing of {repo}@{new} yet, only one of {old}"):
        verify(f"{repo}@{new}")
    assert "no listing of" in words(page("About", model=f"{repo}@{new}"))
    with pytest.raises(HubConflict, match="nothing was written"):
        publish(repo, FILES, "Built upon the old")
    faults.off()
    assert commits(repo)[0] == new
    folder = hub.fetch(repo, new).folder
    assert {name: (folder / name).read_bytes() for name in NEW} == NEW


def test_the_token_does_not_follow_to_another_host(repo: str, faults: Faults) -> None:
    publication = f"{repo}@{publish(repo)}"
    with serving_elsewhere(faults) as (elsewhere, seen):
        faults.on("(GET|HEAD) /demo/", fault.redirect(elsewhere))
        read_by_verify(publication)
        assert "# Card" in words(page("About", model=publication))
        faults.off()
        faults.on("", fault.redirect(elsewhere))
        with pytest.raises(HubRefused):
            publish(repo, NEW)
    faults.off()
    assert {method for method, _ in (request.split() for request, _ in seen.requests)} == {"GET", "POST"}
    assert os.environ["HF_TOKEN"] not in str(seen.requests)
    assert not [headers for _, headers in seen.requests if "authorization" in headers]
    assert f"{repo}@{commits(repo)[0]}" == publication


def test_bytes_that_arrive_other_than_they_were_sent_are_told(repo: str, faults: Faults) -> None:
    sent, other = (base64.b64encode(content) for content in (NEW["config.json"], b'{"a": 3}'))

    async def change(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        async def changed() -> Message:
            message = await receive()
            return {**message, "body": message.get("body", b"").replace(sent, other)}

        await app(scope, changed, send)

    publish(repo)
    faults.on(COMMIT, change)
    with pytest.raises(IntegrityError, match=r"config\.json did not arrive at .* as sent. Publish again"):
        publish(repo, NEW)
    faults.off()
    repaired = publish(repo, NEW)
    assert (hub.fetch(repo, repaired).folder / "config.json").read_bytes() == NEW["config.json"]


FULL = """
import resource, sys
from core import hub
from core.errors import HubError
from core.verify import verify
resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, 4_000))
for do in (lambda: hub.fetch(*sys.argv[1].split("@")), lambda: verify(sys.argv[1])):
    try:
        do()
    except HubError as error:
        print(type(error).__name__, error)
"""


def test_a_full_disk_is_told_and_leaves_no_part_of_a_file(repo: str, tmp_path: Path) -> None:
    publication = f"{repo}@{publish(repo)}"
    environment = os.environ | {"HF_HUB_CACHE": str(tmp_path / "cache"), "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", FULL, publication], env=environment, capture_output=True, text=True, check=True
    )
    said = f"HubError There is no room for {publication} on this machine"
    assert [line[: len(said)] for line in done.stdout.splitlines()] == [said] * 2
    assert not list((tmp_path / "cache").rglob("*.safetensors"))
    require_healed(publication)


@pytest.mark.parametrize("act", [fault.answer(503), fault.cut_off("silence")], ids=["busy", "stops in its answer"])
def test_a_silent_hub_does_not_keep_a_page_waiting_whose_model_is_here(
    act: Act, repo: str, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    publication = f"{repo}@{publish(repo)}"
    monkeypatch.setenv("VERDICT_MODELS", publication)
    hub.fetch(*publication.split("@"))
    faults.off()
    faults.on("", act)
    app = page("About", model=publication)
    assert "# Card" in words(app)
    assert "The Hub does not answer" in words(app)
    assert "is asked again in the background" in words(app.run())
    assert faults.requests[0][0] == "GET /api/models"  # whether it answers is all that was waited for


def until_the_hub_answers(app: AppTest) -> str:
    """What the page says when it no longer says that the Hub is silent."""
    end = time.monotonic() + 60  # seconds, on a machine that does other things, too
    while "The Hub does not answer" in (shown := words(app.run())):
        assert time.monotonic() < end
        time.sleep(watch.AGAIN)
    return shown


@pytest.mark.parametrize("forged", [False, True])
def test_when_the_hub_answers_again_what_was_shown_is_checked(
    repo: str, forged: bool, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    publication = f"{repo}@{publish(repo)}"
    monkeypatch.setenv("VERDICT_MODELS", publication)
    folder = hub.fetch(*publication.split("@")).folder
    if forged:  # a copy that agrees with itself, and not with the Hub
        for name, content in with_manifest(FILES | {"README.md": b"# Card, forged"}).items():
            (folder / name).write_bytes(bytes(content))
    faults.on("", fault.answer(503))
    app = page("About", model=publication)
    assert "# Card" in words(app)
    faults.off()
    shown = until_the_hub_answers(app)
    assert ("# Card" in shown) != forged
    assert ("README.md: differs from the Hub's listing" in shown.replace("\\", "")) == forged
    assert any("/revision/" in request for request, _ in faults.requests)
    require_healed(publication)


def test_only_the_cache_is_ever_removed_from(repo: str, tmp_path: Path) -> None:
    found = hub.fetch(repo, publish(repo))
    outside = tmp_path / "precious"
    outside.write_text("mine")
    (found.folder / "link").symlink_to(outside)
    hub.forget(found, ["../" * 9 + str(outside)[1:], str(outside), "link", "..", "config.json", "config.json"])
    assert outside.read_text() == "mine"
    assert not (found.folder / "config.json").exists()
