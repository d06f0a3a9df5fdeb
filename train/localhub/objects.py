"""Files, trees and commits as values, with the ids that git would give them. Nothing here touches the disk."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any


def git_hash(kind: str, body: bytes) -> str:
    """Id of a git object, 40 hex digits; kind is blob, tree or commit."""
    return hashlib.sha1(f"{kind} {len(body)}\0".encode() + body, usedforsecurity=False).hexdigest()


def pointer(oid: str, size: int) -> bytes:
    """The text that git stores in place of a large file: its SHA-256 and its size in bytes."""
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size}\n".encode()


@dataclass(frozen=True)
class File:
    """A file's content: git blob id, size in bytes, and for a large file its SHA-256 in hex."""

    blob_id: str
    size: int
    lfs: str | None = None

    @property
    def etag(self) -> str:
        """What identifies the bytes that are served."""
        return self.lfs or self.blob_id


def small_file(data: bytes) -> File:
    """A file stored by git itself."""
    return File(git_hash("blob", data), len(data))


def large_file(oid: str, size: int) -> File:
    """A file stored by its SHA-256; its blob id is its pointer's."""
    return File(git_hash("blob", pointer(oid, size)), size, oid)


@dataclass(frozen=True)
class Commit:
    """A commit and its whole tree.

    `files` maps path to File, `date` is in Unix seconds; `id` follows from all the other fields.
    """

    parent: str | None
    files: dict[str, File]
    title: str
    message: str
    author: str
    date: int

    @cached_property
    def folders(self) -> dict[str, str]:
        """Folder path -> tree id; "" is the root."""
        return tree_ids(self.files)

    @cached_property
    def id(self) -> str:
        """SHA-1 over parent, tree, author, date, title and message, in git's own format."""
        who = f"{self.author} <{self.author}@localhost> {self.date} +0000"
        lines = [f"tree {self.folders['']}", *([f"parent {self.parent}"] if self.parent else [])]
        lines += [f"author {who}", f"committer {who}", "", self.title, *(["", self.message] if self.message else [])]
        return git_hash("commit", ("\n".join(lines) + "\n").encode())

    def to_json(self) -> dict[str, Any]:
        """Plain data, the inverse of from_json."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Commit":
        """A commit from what to_json made of it."""
        return cls(**{**data, "files": {path: File(**file) for path, file in data["files"].items()}})


def tree_ids(files: Mapping[str, File]) -> dict[str, str]:
    """Folder path -> git tree id of every folder that the files imply, the root "" included."""
    children: dict[str, dict[str, str]] = defaultdict(dict)  # folder -> name -> blob id, or "" for a folder
    children[""] = {}
    for path, file in files.items():
        folder, _, name = path.rpartition("/")
        children[folder][name] = file.blob_id
        while folder:
            folder, _, name = folder.rpartition("/")
            children[folder][name] = ""
    ids: dict[str, str] = {}
    for folder in sorted(children, key=lambda path: path.count("/") + bool(path), reverse=True):  # deepest first
        prefix = f"{folder}/" if folder else ""
        ids[folder] = _tree_id({name: (blob, ids.get(prefix + name, "")) for name, blob in children[folder].items()})
    return ids


def _tree_id(entries: Mapping[str, tuple[str, str]]) -> str:
    """Id of one folder; entries map a name to its (blob id, tree id), one of which is empty."""

    def order(name: str) -> bytes:  # git sorts a folder as if its name ended in a slash
        return (name if entries[name][0] else f"{name}/").encode()

    body = b""
    for name in sorted(entries, key=order):
        blob, tree = entries[name]
        body += f"{'100644' if blob else '40000'} {name}\0".encode() + bytes.fromhex(blob or tree)
    return git_hash("tree", body)
