"""Writing so that a reader, or a restart after a kill at any moment, sees all of a file or none of it."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any


@contextmanager
def scratch(folder: Path) -> Iterator[IO[bytes]]:
    """A new empty file in `folder`, readable by its owner only, and gone at the end unless `keep` moved it."""
    with NamedTemporaryFile(dir=folder, delete=False) as file:
        try:
            yield file
        finally:
            Path(file.name).unlink(missing_ok=True)


def keep(file: IO[bytes], target: Path) -> None:
    """Give a scratch file its place, durably, replacing what is there. Both must be on one file system."""
    file.flush()
    os.fsync(file.fileno())
    Path(file.name).replace(target)
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Make renames within a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(scratch_folder: Path, target: Path, data: Any) -> None:
    """Write JSON atomically."""
    with scratch(scratch_folder) as file:
        file.write(json.dumps(data).encode())
        keep(file, target)


@contextmanager
def only_user(folder: Path) -> Iterator[None]:
    """Hold a folder for this process. The lock dies with the process, however it ends.

    Raises RuntimeError when another server holds it: commits are serialised within one process only.
    """
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RuntimeError(f"{folder} is already being served by another local hub") from None
        yield
