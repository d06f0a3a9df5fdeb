"""The body of a commit request: one JSON object {key, value} a line.

header          {summary, description, parentCommit}
file            {path, content, encoding: "base64"}
lfsFile         {path, algo: "sha256", oid, size}       its bytes have been uploaded before
deletedFile     {path}
deletedFolder   {path}
"""

import base64
import binascii
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .changes import Change
from .errors import Invalid
from .names import check_path, is_sha256
from .objects import large_file
from .repo import Repo

_COMMIT = re.compile(r"[0-9A-Fa-f]{5,40}")  # an id or its beginning, as the client lets through


@dataclass(frozen=True)
class Payload:
    """A commit to be made; `parent` is the head it was made for, or None for any."""

    title: str
    message: str
    parent: str | None
    changes: list[Change]


def read_payload(lines: Iterable[bytes], repo: Repo) -> Payload:
    """Parse a commit's lines one by one, storing small files' bytes in the repo on the way; Invalid if malformed."""
    header: dict[str, Any] = {}
    changes: list[Change] = []
    for number, line in enumerate(lines, 1):
        match _item(line, number):
            case {"key": "header", "value": {"summary": str()} as value}:
                header = value
            case {"key": str(key), "value": {"path": str()} as value}:
                changes.append(_change(key, value, repo))
            case _:
                raise Invalid(f"Line {number} of the commit is not an operation known here")
    if not header.get("summary"):
        raise Invalid("A commit needs a header with a summary")
    return Payload(_text(header["summary"]), _text(header.get("description")), _parent(header), changes)


def _item(line: bytes, number: int) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"Line {number} of the commit is not JSON: {error}") from error


def _text(value: object) -> str:
    """A title or description; half surrogates, which JSON can carry but UTF-8 can't, become question marks."""
    return str(value or "").encode("utf-8", "replace").decode()


def _parent(header: dict[str, Any]) -> str | None:
    parent = header.get("parentCommit")
    if parent is not None and not _COMMIT.fullmatch(str(parent)):
        raise Invalid(f"Invalid parentCommit: {parent!r}")
    return None if parent is None else str(parent).lower()


def _change(key: str, value: dict[str, Any], repo: Repo) -> Change:
    if key == "deletedFolder":
        return Change(check_path(value["path"].rstrip("/")), folder=True)
    path = check_path(value["path"])
    match key, value:
        case "deletedFile", _:
            return Change(path)
        case "file", {"content": str(content)} if value.get("encoding", "base64") == "base64":
            return Change(path, repo.keep_small(_decoded(content, path)))
        case "lfsFile", {"oid": str(oid)} if is_sha256(oid):
            return Change(path, large_file(oid, _uploaded_size(oid, value, repo)))
    raise Invalid(f"Malformed {key!r} for {path!r}")


def _decoded(content: str, path: str) -> bytes:
    try:
        return base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Invalid(f"The content of {path!r} is not base64: {error}") from error


def _uploaded_size(oid: str, value: dict[str, Any], repo: Repo) -> int:
    """Size in bytes of an object that must have been uploaded; a copied file comes without one."""
    stored = repo.lfs_path(oid)
    size = stored.stat().st_size if stored.exists() else None
    if size is None or value.get("size", size) != size:
        raise Invalid(f"{value['path']!r} names the object {oid}, which has not been uploaded with this size")
    return size
