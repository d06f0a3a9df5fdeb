"""One repo on disk.

    repo.json               State: the only file that ever changes, replaced as a whole
    commits/<id>.json       a Commit with its whole tree
    blobs/<git blob id>     a small file's bytes
    lfs/<SHA-256>           a large file's bytes

Blobs and commits are written first and mean nothing until repo.json names them, so a commit appears in one
atomic step and whatever a kill leaves behind is invisible.
"""

import json
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import IO, Literal

from . import disk
from .changes import Change, apply
from .errors import Exists, Forbidden, Invalid, RepoNotFound, RevisionNotFound, StaleParent
from .names import RepoId, check_ref
from .objects import Commit, File, small_file

MAIN = "main"
SHORTEST_ID = 7  # digits by which a commit may be named, as on the Hub

RefKind = Literal["branches", "tags"]


@dataclass
class State:
    """Settings and refs: name -> commit id. `commits` are all ids ever reached, `created` is in Unix seconds."""

    created: int
    private: bool = False
    gated: Literal["auto", "manual", False] = False
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    commits: list[str] = field(default_factory=list)

    def refs(self, kind: RefKind) -> dict[str, str]:
        """Either the branches or the tags."""
        return self.branches if kind == "branches" else self.tags

    def resolve(self, revision: str) -> str:
        """Commit id of a branch, a tag, an id or the unique beginning of one; RevisionNotFound otherwise."""
        if found := self.branches.get(revision) or self.tags.get(revision):
            return found
        known = {commit for commit in self.commits if commit.startswith(revision)}
        if len(revision) < SHORTEST_ID or len(known) != 1:
            raise RevisionNotFound(f"Invalid rev id: {revision!r}")
        return known.pop()


@dataclass(frozen=True)
class Repo:
    """Access to one repo. `scratch` is a folder on the same file system, `lock` serialises all changes."""

    id: RepoId
    folder: Path
    scratch: Path
    lock: threading.Lock

    def state(self) -> State:
        """The state at this moment; RepoNotFound once the repo has been deleted."""
        try:
            return State(**json.loads((self.folder / "repo.json").read_bytes()))
        except FileNotFoundError:
            raise RepoNotFound(f"Repository not found: {self.id}") from None

    @contextmanager
    def changing(self) -> Iterator[State]:
        """The state to be changed in place, saved on leaving unless an error is raised."""
        with self.lock:
            state = self.state()
            yield state
            self._save(state)

    def initialise(self, private: bool, author: str, files: Mapping[str, bytes]) -> None:
        """Make an empty folder a repo whose first commit has these files."""
        for name in ("commits", "blobs", "lfs"):
            (self.folder / name).mkdir()
        kept = {path: self.keep_small(data) for path, data in files.items()}
        now = int(time.time())
        first = Commit(None, kept, "initial commit", "", author, now)
        self._write_commit(first)
        self._save(State(now, private, branches={MAIN: first.id}, commits=[first.id]))

    def commit_at(self, revision: str) -> Commit:
        """The commit that a branch, tag or (abbreviated) id names."""
        return self._read_commit(self.state().resolve(revision))

    def history(self, commit: Commit) -> Iterator[Commit]:
        """A commit and all before it, newest first."""
        yield commit
        while commit.parent:
            commit = self._read_commit(commit.parent)
            yield commit

    def content(self, file: File) -> Path:
        """Where a file's bytes are."""
        return self.lfs_path(file.lfs) if file.lfs else self.folder / "blobs" / file.blob_id

    def lfs_path(self, oid: str) -> Path:
        """Where a large file's bytes are, or would be; oid is a SHA-256 in hex."""
        return self.folder / "lfs" / oid

    def keep_small(self, data: bytes) -> File:
        """Store a small file's bytes; they are invisible until a commit names them."""
        file = small_file(data)
        if not self.content(file).exists():
            with disk.scratch(self.scratch) as new:
                new.write(data)
                self._keep(new, self.content(file))
        return file

    def keep_large(self, checked: IO[bytes], oid: str) -> None:
        """Move a scratch file, found to hash to oid, into place."""
        self._keep(checked, self.lfs_path(oid))

    def commit(
        self, branch: str, changes: Iterable[Change], title: str, message: str, author: str, parent: str | None
    ) -> Commit:
        """Add a commit to a branch; an empty one too, as the Hub does.

        Raises StaleParent unless the branch's head is `parent` (an id or its beginning; None accepts any head),
        RevisionNotFound when there is no such branch, EntryNotFound and Invalid when a change can't be applied.
        """
        with self.changing() as state:
            if branch not in state.branches:
                raise RevisionNotFound(f"Invalid branch: {branch!r}")
            head = self._read_commit(state.branches[branch])
            if parent is not None and not head.id.startswith(parent):
                raise StaleParent(f"The head of {branch!r} is {head.id}, not {parent}: fetch it and try again")
            new = Commit(head.id, apply(head, changes), title, message, author, int(time.time()))
            self._write_commit(new)
            state.branches[branch] = new.id
            state.commits.append(new.id)
        return new

    def create_ref(self, kind: RefKind, name: str, revision: str) -> None:
        """Point a new branch or tag at a revision; Exists if there is one of this name."""
        check_ref(name)
        with self.changing() as state:
            if name in state.refs(kind):
                raise Exists(f"Reference already exists: {name!r}")
            if name in state.branches or name in state.tags:  # a revision must mean one thing only
                raise Invalid(f"{name!r} already names a branch or a tag")
            state.refs(kind)[name] = state.resolve(revision)

    def delete_ref(self, kind: RefKind, name: str) -> None:
        """Remove a branch or tag; its commits stay and can still be named by their ids."""
        with self.changing() as state:
            if kind == "branches" and name == MAIN:
                raise Forbidden(f"The branch {MAIN!r} can't be deleted")
            if state.refs(kind).pop(name, None) is None:
                raise RevisionNotFound(f"Reference not found: {name!r}")

    def _save(self, state: State) -> None:
        disk.write_json(self.scratch, self.folder / "repo.json", asdict(state))

    def _keep(self, file: IO[bytes], target: Path) -> None:
        try:
            disk.keep(file, target)
        except FileNotFoundError:  # deleted while this was being uploaded
            raise RepoNotFound(f"Repository not found: {self.id}") from None

    def _write_commit(self, commit: Commit) -> None:
        disk.write_json(self.scratch, self._commit_path(commit.id), commit.to_json())

    def _read_commit(self, commit: str) -> Commit:
        return _load_commit(self._commit_path(commit))

    def _commit_path(self, commit: str) -> Path:
        return self.folder / "commits" / f"{commit}.json"


@lru_cache(maxsize=1024)
def _load_commit(path: Path) -> Commit:
    return Commit.from_json(json.loads(path.read_bytes()))  # commits never change, so they may be remembered
