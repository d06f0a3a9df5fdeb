"""What a repo may list before any of it is downloaded: anybody can publish one, and can list in it what they like."""

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import PurePosixPath

from huggingface_hub.hf_api import RepoSibling

from core.errors import ModelError

MAX_FILES = 1_000
"""Files in a repo; a publication has about twenty."""
MAX_BYTES = 5 * 10**9
"""What the files to be downloaded may come to, in bytes: ten times an encoder of 110 million weights."""
MAX_PARSED_BYTES = 200 * 10**6
"""One file that is no weights file, in bytes: such files are read into memory as a whole."""
WEIGHTS_FORMAT = ".safetensors"
PICKLES = (".bin", ".ckpt", ".h5", ".joblib", ".npy", ".npz", ".pickle", ".pkl", ".pt", ".pth")
"""Endings of formats that can run code when they are opened."""


def require_acceptable(about: str, listed: Mapping[str, RepoSibling], patterns: Sequence[str]) -> None:
    """Raise ModelError, saying why, for a listing of which nothing should be downloaded.

    `about` names the repo; files that match `patterns` are those that may be downloaded.
    """
    sizes = {name: each.size for name, each in listed.items() if any(fnmatch(name, pattern) for pattern in patterns)}
    for reason in (_too_many(listed), _strange(listed), _unsafe(listed), _too_large(sizes)):
        if reason:
            raise ModelError(f"{about} is refused: {reason}.")


def strange_paths(paths: Iterable[str]) -> list[str]:
    """Those of `paths` that are absolute, lead out of their folder, or hold signs that no path should."""
    return [path for path in paths if not _is_plain(path)]


def _is_plain(path: str) -> bool:
    parts = path.split("/")
    # A sign that cannot be printed can hide what a name ends in; a colon names a drive on some systems.
    return path.isprintable() and not {"", ".", ".."} & set(parts) and not set("\\:") & set(path)


def _too_many(listed: Mapping[str, RepoSibling]) -> str:
    many = f"it lists {len(listed):,} files, and more than {MAX_FILES:,} are too many"
    return many if len(listed) > MAX_FILES else ""


def _strange(listed: Iterable[str]) -> str:
    strange = strange_paths(listed)
    return f"it lists {strange[0]!r}, which is no plain path within a repo" if strange else ""


def _unsafe(listed: Iterable[str]) -> str:
    endings = {PurePosixPath(name).suffix.lower() for name in listed}
    if WEIGHTS_FORMAT in endings:
        return ""  # whatever lies beside it is never downloaded
    if pickles := sorted(endings & set(PICKLES)):
        return (
            f"it has its weights as {', '.join(pickles)} alone. Such files can run code when they are opened; Verdict "
            "loads safetensors only"
        )
    return (
        "it holds ONNX alone, and what that says can be compared with nothing; publish safetensors too"
        if ".onnx" in endings
        else ""
    )


def _too_large(sizes: Mapping[str, int | None]) -> str:
    for name, size in sizes.items():
        limit = MAX_BYTES if name.endswith((WEIGHTS_FORMAT, ".onnx")) else MAX_PARSED_BYTES
        if size is None:
            return f"the Hub does not say how large {name} is"
        if size > limit:
            return f"{name} has {_shown(size)}, and {_shown(limit)} is the most it may have"
    total = sum(size or 0 for size in sizes.values())
    return f"its files come to {_shown(total)}, and {_shown(MAX_BYTES)} is the most" if total > MAX_BYTES else ""


def _shown(size: int) -> str:
    return f"{size / 10**9:,.1f} GB"
