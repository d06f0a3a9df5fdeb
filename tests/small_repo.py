"""A small publication on the tests' Hub, and where that Hub keeps its bytes."""

import hashlib
import json
import os
from pathlib import Path

from core import hub
from core.hub import MANIFEST

FILES = {
    "config.json": b'{"a": 1}',
    "model.safetensors": bytes(range(256)) * 40,
    "README.md": b"# Card",
    "evaluation/metrics.json": b"{}",
    "evaluation/predictions/test.parquet": b"PAR1 and so on",
}


def with_manifest(files: dict[str, bytes]) -> dict[str, Path | bytes]:
    stated = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    return {**files, MANIFEST: json.dumps({"schema": 1, "sha256": stated}).encode()}


def publish(repo: str, files: dict[str, bytes] = FILES, title: str = "Publish") -> str:
    return hub.publish(repo, with_manifest(files), title)


def stored(repo: str, content: bytes) -> Path:
    """Where the Hub keeps the bytes of a file: they are addressed by their content, not checked again."""
    folder = Path(os.environ["VERDICT_TEST_HUB"]) / "models" / repo
    (found,) = [path for path in folder.glob("[bl][lf]*s/*") if path.read_bytes() == content]
    return found
