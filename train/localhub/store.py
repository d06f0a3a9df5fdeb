"""All repos under a root folder.

lock                            held while a server runs
tmp/                            what is being written; emptied at start
models/<namespace>/<name>/      a repo, see repo.py; datasets/ likewise
"""

import shutil
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from . import disk
from .errors import Exists, Invalid, RepoNotFound
from .names import RepoId
from .repo import Repo


class Store:
    """Repos by id. Make one with `opened`, which keeps other processes out of the root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.scratch = root / "tmp"
        self._locks: dict[RepoId, threading.Lock] = {}

    def repo(self, repo_id: RepoId) -> Repo:
        """An existing repo, or RepoNotFound."""
        repo = self._at(repo_id)
        repo.state()
        return repo

    def repos(self, kind: str) -> Iterator[Repo]:
        """All repos of a kind, in the order of their names."""
        for path in sorted(self.root.glob(f"{kind}/*/*/repo.json")):
            yield self._at(RepoId(kind, path.parent.parent.name, path.parent.name))

    def create(self, repo_id: RepoId, private: bool, author: str, files: Mapping[str, bytes]) -> Repo:
        """A new repo whose first commit has these files; it appears complete or not at all."""
        if not repo_id.is_valid():
            raise Invalid(f"Invalid repo name: {str(repo_id)!r}")
        repo = self._at(repo_id)
        with repo.lock, self._aside() as draft:
            if repo.folder.exists():
                raise Exists(f"You already created this repo: {repo_id}")
            draft.mkdir()
            Repo(repo_id, draft, self.scratch, threading.Lock()).initialise(private, author, files)
            repo.folder.parent.mkdir(parents=True, exist_ok=True)
            draft.replace(repo.folder)
            disk.sync_folder(repo.folder.parent)
        return repo

    def delete(self, repo_id: RepoId) -> None:
        """Remove a repo with all its history."""
        repo = self.repo(repo_id)
        with repo.lock, self._aside() as trash:
            repo.state()  # it may have gone while this waited for the lock
            repo.folder.replace(trash)
            disk.sync_folder(repo.folder.parent)

    def _at(self, repo_id: RepoId) -> Repo:
        if not repo_id.is_valid():
            raise RepoNotFound(f"Repository not found: {repo_id}")
        folder = self.root.joinpath(*repo_id)
        return Repo(repo_id, folder, self.scratch, self._locks.setdefault(repo_id, threading.Lock()))

    @contextmanager
    def _aside(self) -> Iterator[Path]:
        """A name for a folder out of sight, which is removed afterwards if it is there."""
        path = self.scratch / uuid.uuid4().hex
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def opened(root: Path) -> Iterator[Store]:
    """The store at a root folder, made if need be, for this process alone (else RuntimeError)."""
    root.mkdir(parents=True, exist_ok=True)
    with disk.only_user(root):
        store = Store(root)
        shutil.rmtree(store.scratch, ignore_errors=True)  # left by a killed server
        store.scratch.mkdir(exist_ok=True)
        yield store
