"""What a commit does to the tree that it builds upon."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .errors import EntryNotFound, Invalid
from .objects import Commit, File


@dataclass(frozen=True)
class Change:
    """One step of a commit: set `path` to `file`, or with no file delete it; `folder` deletes all below it."""

    path: str
    file: File | None = None
    folder: bool = False


def apply(head: Commit, changes: Iterable[Change]) -> dict[str, File]:
    """The tree after the changes, made one after another."""
    files = dict(head.files)
    for change in changes:
        if change.file is not None:
            files[change.path] = change.file
        else:
            for path in _deleted(files, change, head):
                del files[path]
    _check_no_file_is_a_folder(files)
    return files


def _deleted(files: Mapping[str, File], change: Change, head: Commit) -> list[str]:
    if change.folder:
        found = [path for path in files if path.startswith(change.path + "/")]
    else:
        found = [change.path] if change.path in files else []
    if not found:  # the Hub client recognises these words and adds advice of its own
        raise EntryNotFound(f"A file with this name doesn't exist: {change.path!r}", head.id)
    return found


def _check_no_file_is_a_folder(files: Mapping[str, File]) -> None:
    for path in files:
        folder = path.rpartition("/")[0]
        while folder:
            if folder in files:
                raise Invalid(f"{folder!r} is a file, so {path!r} can't be below it")
            folder = folder.rpartition("/")[0]
