"""Which names of repos, branches and files are accepted. Pure checks; what they let through is safe to build on."""

import re
from typing import NamedTuple

from .errors import Invalid

KINDS = {"model": "models", "dataset": "datasets"}  # as requests name a repo's type -> as URLs and folders do

_SEGMENT = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?")
_REF = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.+/-]{0,198}[A-Za-z0-9_+-])?")
_SHA1 = re.compile(r"[0-9a-f]{40}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")  # half surrogates can't be encoded
_SHA256 = re.compile(r"[0-9a-f]{64}")


class RepoId(NamedTuple):
    """A repo's full name: `kind` is a value of KINDS, and str() gives `namespace/name`."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def url_path(self) -> str:
        """Where the repo is found below the endpoint: models have no prefix, as on the Hub."""
        return f"/{self}" if self.kind == "models" else f"/{self.kind}/{self}"

    def is_valid(self) -> bool:
        """Whether this can name a repo, and so also a folder on disk."""
        return self.kind in KINDS.values() and all(map(_is_segment, (self.namespace, self.name)))


def _is_segment(text: str) -> bool:
    forbidden = "--" in text or ".." in text or text.endswith(".git")
    return _SEGMENT.fullmatch(text) is not None and not forbidden


def is_sha256(text: str) -> bool:
    """Whether this is a SHA-256 in lower-case hex, hence safe as a file name."""
    return _SHA256.fullmatch(text) is not None


def check_ref(name: str) -> str:
    """Return a branch's or tag's name unchanged, or raise Invalid.

    A name that looks like a commit id is refused: a revision must mean one thing only.
    """
    parts = name.split("/")
    broken = any(not part or part.startswith(".") or part.endswith(".lock") for part in parts)
    if broken or not _REF.fullmatch(name) or ".." in name or parts[0] == "refs" or _SHA1.fullmatch(name):
        raise Invalid(f"Invalid reference name: {name!r}")
    return name


def check_path(path: str) -> str:
    """Return a file's path in a repo unchanged, or raise Invalid: relative, normal, printable, outside .git."""
    parts = path.split("/")
    if _CONTROL.search(path) or len(path) > 1024 or any(part in ("", ".", "..", ".git") for part in parts):
        raise Invalid(f"Invalid path in the repo: {path!r}")
    return path
