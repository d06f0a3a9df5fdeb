"""Forged publications on the tests' Hub: the tiny one with changes, by the raw Hub client and past what a Hub accepts.

All are branches of one repo, so that only what changed goes over the wire.
"""

import hashlib
import json
import os
import threading
import warnings
from collections.abc import Mapping
from functools import cache
from itertools import count
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete

from core import hub
from core.hub import MANIFEST
from train.localhub.changes import Change
from train.localhub.names import RepoId
from train.localhub.objects import File
from train.localhub.repo import Repo

Files = dict[str, bytes]
Changes = Mapping[str, bytes | None]
"""Path -> new content, or None for a file that is removed."""

REPO = "demo/forged"
_numbers = count()


def files_of(published: str) -> Files:
    """What a publication holds, but for the manifest."""
    folder = hub.fetch(*published.split("@")).folder
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if name not in (MANIFEST, ".gitattributes")}


def manifest(files: Mapping[str, bytes]) -> bytes:
    """The manifest that fits these files."""
    stated = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    return json.dumps({"schema": 1, "run": "tiny/forged", "sha256": stated}).encode()


def changed(files: Mapping[str, bytes], changes: Changes) -> Files:
    """The files with the changes made."""
    return {name: content for name, content in {**files, **changes}.items() if content is not None}


def publish(published: str, changes: Changes) -> str:
    """The publication with changes, and a manifest that fits what came of them; returns its name."""
    return tamper(published, {MANIFEST: manifest(changed(files_of(published), changes)), **changes})


def tamper(published: str, changes: Changes) -> str:
    """The publication with changes that its manifest knows nothing of; returns its name."""
    branch = _branch(published)
    operations = [
        CommitOperationDelete(name) if content is None else CommitOperationAdd(name, content)
        for name, content in changes.items()
    ]
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # the client takes parquet for a data set
        made = hub.api().create_commit(REPO, operations, commit_message="Forge", revision=branch)
    return f"{REPO}@{made.oid}"


def relist(published: str, entries: Mapping[str, File]) -> str:
    """The publication with entries in its listing that no Hub would let in; returns its name."""
    branch = _branch(published)
    root = Path(os.environ["VERDICT_TEST_HUB"])
    repo = Repo(RepoId("models", *REPO.split("/")), root / "models" / REPO, root / "tmp", threading.Lock())
    made = repo.commit(branch, [Change(path, file) for path, file in entries.items()], "Forge", "", "demo", None)
    return f"{REPO}@{made.id}"


def _branch(published: str) -> str:
    branch = f"forged-{next(_numbers)}"
    hub.api().create_branch(REPO, branch=branch, revision=_base(published))
    return branch


@cache
def _base(published: str) -> str:
    files = files_of(published)
    return hub.publish(REPO, {**files, MANIFEST: manifest(files)}, "Honest")
