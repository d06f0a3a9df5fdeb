"""The Hub: publish a run in one commit, fetch a publication at a commit, list what it holds, show its history.

A model or a data set on the Hub is named `user/name@commit`, and everything is read at a full commit SHA.
"""

import json
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import httpx2
from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    constants,
    get_token,
    hf_hub_download,
    snapshot_download,
    try_to_load_from_cache,
)
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import RepoSibling

from core import limits
from core.errors import HubConflict, HubError, HubRefused, HubUnreachable, IntegrityError, ModelError, NotOnHub
from core.runs import Record

MANIFEST = "evaluation/manifest.json"
MODEL_FILES = ("*.json", "*.safetensors", "vocab.txt")
"""Patterns of what a model needs at a repo's root; formats that can carry code are never downloaded."""
EVALUATION_FILES = (
    "README.md",
    *(f"evaluation/*{ending}" for ending in (".json", ".jsonl", ".toml", ".parquet", ".png")),
)
PUBLISHED = (".json", ".jsonl", ".safetensors", ".txt", ".md", ".toml", ".parquet", ".png", ".onnx")
"""Endings of what may be published: formats that hold data and no code."""
_COMMIT = re.compile(r"[0-9a-f]{40}")
Kind = Literal["model", "dataset"]
Part = Literal["model", "evaluation", "all"]


@dataclass(frozen=True)
class Publication:
    """A run on the Hub, downloaded to `folder`."""

    repo: str
    commit: str
    folder: Path

    @property
    def name(self) -> str:
        """`user/name@commit`: how the publication is named everywhere."""
        return f"{self.repo}@{self.commit}"

    @property
    def cache(self) -> Path:
        """The folder in which the Hub client keeps the repo: snapshots of its commits, and the blobs they link to."""
        return self.folder.parent.parent

    @cached_property
    def record(self) -> Record:
        """Its evaluation. Raises NotOnHub when the repo has none: it was not published by Verdict."""
        if not (self.folder / "evaluation").is_dir():
            raise NotOnHub(f"{self.repo} holds a model but no evaluation, so there is nothing to measure it by.")
        return Record(self.folder / "evaluation")

    @cached_property
    def manifest(self) -> dict[str, str] | None:
        """SHA-256 by path as stated when it was published; None for a repo without a manifest."""
        path = self.folder / MANIFEST
        try:
            stated = dict(json.loads(path.read_text(encoding="utf-8"))["sha256"]) if path.is_file() else None
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise IntegrityError(f"{MANIFEST} of {self.name} is damaged: {error}") from None
        if strange := limits.strange_paths(map(str, stated or {})):
            raise IntegrityError(
                f"{MANIFEST} of {self.name} names {strange[0]!r}, which is no plain path within a repo."
            )
        return stated


def api() -> HfApi:
    """A client for the Hub that HF_ENDPOINT and HF_TOKEN name."""
    return HfApi(endpoint=constants.ENDPOINT, token=get_token(), library_name="verdict")


def split_name(name: str) -> tuple[str, str | None]:
    """`user/name@revision` -> ("user/name", "revision"); the revision may be absent."""
    repo, _, revision = name.strip().partition("@")
    return repo, revision or None


def resolve(name: str, kind: Kind = "model") -> tuple[str, str]:
    """`user/name[@revision]` -> repo and full commit SHA; asks the Hub only where a revision is not one already."""
    repo, revision = split_name(name)
    if revision and _COMMIT.fullmatch(revision):
        return repo, revision
    with _asking(name):
        commit = api().repo_info(repo, revision=revision, repo_type=kind).sha
    if not commit:
        raise HubError(f"The Hub named no commit for {name}.")
    return repo, commit


def fetch(repo: str, commit: str, part: Part = "all", cache: Path | None = None) -> Publication:
    """Download what is not in the cache yet, unchecked; with everything there, the Hub is not asked at all.

    `part` says what is needed: the model's files, the evaluation, or both. `cache` replaces the Hub client's own.
    Raises ModelError, before anything is downloaded, for a repo that lists what should not be (limits.py).
    """
    patterns = {"model": (*MODEL_FILES, MANIFEST), "evaluation": EVALUATION_FILES}.get(
        part, MODEL_FILES + EVALUATION_FILES
    )
    with _asking(f"{repo}@{commit}"):
        folder = _cached(repo, commit, patterns, cache)
        if folder is None:
            listed = listing(repo, commit)
            limits.require_acceptable(f"{repo}@{commit}", listed, MODEL_FILES + EVALUATION_FILES)
            downloaded = snapshot_download(
                repo, revision=commit, allow_patterns=list(patterns), cache_dir=cache, token=get_token()
            )
            folder = Path(downloaded)
    return Publication(repo, commit, folder)


def publish(repo: str, files: Mapping[str, Path | bytes], title: str, *, private: bool = False) -> str:
    """Make `files` (path in the repo -> local file or content) the repo's whole content, in one commit.

    Returns the commit's SHA. The parent commit is stated, so that nothing is overwritten unseen: HubConflict if the
    repo moved on meanwhile. Nothing is visible until all of it is. Raises ModelError for formats that may carry code.
    """
    _require_data(files)
    with _asking(repo):
        api().create_repo(repo, private=private, exist_ok=True)
        parent = api().model_info(repo).sha
        listed = listing(repo, parent) if parent else {}
        stale = set(listed) - set(files) - {".gitattributes"}
        operations = [CommitOperationAdd(path, content) for path, content in files.items()]
        operations += [CommitOperationDelete(path) for path in sorted(stale)]  # type: ignore[misc]
        with warnings.catch_warnings():
            # The evaluation's parquet files belong to the model; the client takes them for a misplaced data set.
            warnings.filterwarnings("ignore", message="It seems that you are about to commit a data file")
            return api().create_commit(repo, operations, commit_message=title, parent_commit=parent).oid


def listing(repo: str, commit: str, kind: Kind = "model") -> dict[str, RepoSibling]:
    """What the Hub says it holds at `commit`: path -> its entry, with the file's hash."""
    # Not list_repo_tree: where nobody answers, the client retries that one for 23 seconds.
    with _asking(f"{repo}@{commit}"):
        ask = api().dataset_info if kind == "dataset" else api().model_info
        siblings = ask(repo, revision=commit, files_metadata=True).siblings
    return {each.rfilename: each for each in siblings or []}


def dataset_hashes(repo: str, commit: str) -> dict[str, str]:
    """What a data set holds at `commit`: path -> hash, SHA-256 of large files and git's of small ones.

    Where the Hub does not answer, these are the files in the cache, with the hashes that it stated when they came.
    """
    try:
        listed = listing(repo, commit, "dataset")
    except HubUnreachable:
        with _asking(f"{repo}@{commit}"):
            folder = Path(snapshot_download(repo, repo_type="dataset", revision=commit, local_files_only=True))
        files = [path for path in folder.rglob("*") if path.is_file()]
        return {path.relative_to(folder).as_posix(): path.resolve().name for path in files}  # links to <hash>
    return {name: each.lfs.sha256 if each.lfs else str(each.blob_id) for name, each in listed.items()}


def fetch_dataset(repo: str, commit: str, names: Iterable[str]) -> dict[str, Path]:
    """Download what is not in the cache yet of a data set's files; each with where it is here, unchecked."""
    with _asking(f"{repo}@{commit}"):
        return {name: Path(hf_hub_download(repo, name, repo_type="dataset", revision=commit)) for name in names}


def history(repo: str) -> list[dict[str, Any]]:
    """The repo's commits, newest first: commit, when, title."""
    with _asking(repo):
        api().model_info(repo)  # fails at once where nobody answers; the client asks for commits again and again
        commits = api().list_repo_commits(repo)
    return [{"commit": each.commit_id, "when": each.created_at, "title": each.title} for each in commits]


def _cached(repo: str, commit: str, patterns: Sequence[str], cache: Path | None) -> Path | None:
    """The snapshot's folder, if every file of these patterns that its manifest names is there."""
    found = try_to_load_from_cache(repo, MANIFEST, revision=commit, cache_dir=cache)
    if not isinstance(found, str):
        return None
    publication = Publication(repo, commit, Path(found).parent.parent)
    wanted = [name for name in publication.manifest or {} if any(fnmatch(name, pattern) for pattern in patterns)]
    return publication.folder if all((publication.folder / name).is_file() for name in wanted) else None


def _require_data(files: Mapping[str, Any]) -> None:
    if refused := [name for name in files if not name.endswith(PUBLISHED)]:
        raise ModelError(
            f"{', '.join(refused)}: other files than {', '.join(PUBLISHED)} may carry code and are not published."
        )


@contextmanager
def _asking(about: str) -> Iterator[None]:
    """Turn the Hub client's errors into ours, with what to do about them; other errors pass."""
    try:
        yield
    except (
        HfHubHTTPError,
        EntryNotFoundError,
        HFValidationError,
        OfflineModeIsEnabled,
        httpx2.TransportError,
    ) as error:
        raise _ours(about, error) from error
    except RuntimeError as error:
        # The client's upload threads wrap what went wrong.
        if not isinstance(error.__cause__, HfHubHTTPError | httpx2.TransportError):
            raise
        raise _ours(about, error.__cause__) from error


def _ours(about: str, error: BaseException) -> HubError:
    match error:
        case GatedRepoError():
            return HubRefused(
                f"{about} is gated: accept its conditions on the Hub, then set HF_TOKEN to a token of yours."
            )
        case RepositoryNotFoundError():
            return NotOnHub(f"There is no {about} on {constants.ENDPOINT}, or HF_TOKEN may not see it.")
        case RevisionNotFoundError():
            return NotOnHub(f"{about}: the repo is there, but not this revision.")
        case LocalEntryNotFoundError() | OfflineModeIsEnabled() | httpx2.TransportError():
            return HubUnreachable(_unreachable(about))
        case EntryNotFoundError():
            return NotOnHub(f"{about} lacks a file: {_first_line(error)}")
        case HFValidationError():
            return NotOnHub(f"{about} is no name of a model: write user/name or user/name@commit.")
        case HfHubHTTPError():
            return _refusal(about, error)
    return HubError(f"{about}: {_first_line(error)}")


def _unreachable(about: str) -> str:
    return (
        f"The Hub at {constants.ENDPOINT} does not answer, and {about} is not in the cache on this machine. "
        "Check the connection (and HF_ENDPOINT), then try again."
    )


def _refusal(about: str, error: HfHubHTTPError) -> HubError:
    status = error.response.status_code if error.response is not None else None
    if status in (401, 403):
        return HubRefused(f"The Hub refused {about}: HF_TOKEN is missing, wrong, or lacks the right to do this.")
    if status in (409, 412):
        return HubConflict(f"{about} changed on the Hub while this was being done; nothing was written. Try again.")
    return HubError(f"The Hub answered {status} for {about}: {_first_line(error)}")


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
