"""The Hub: publish a run in one commit, fetch a publication at a commit, list what it holds, show its history.

A model or a data set on the Hub is named `user/name@commit`, and everything is read at a full commit SHA.
"""

import hashlib
import json
import logging
import re
import warnings
from collections.abc import Iterable, Mapping
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
from huggingface_hub.file_download import repo_folder_name
from huggingface_hub.hf_api import RepoSibling
from huggingface_hub.utils.sha import git_hash

from core import client, limits
from core.asking import GARBLED, came_short, in_our_words
from core.asking import asking as _asking
from core.errors import HubError, HubUnreachable, IntegrityError, ModelError, NotOnHub
from core.files import sha256
from core.retrying import is_busy
from core.runs import Record

MANIFEST = "evaluation/manifest.json"
SIGNATURE = "evaluation/manifest.sigstore.json"
"""of the manifest; not every publication has one"""
MODEL_FILES = ("*.json", "*.safetensors", "vocab.txt", "onnx/model.onnx", "onnx/model_quantized.onnx")
"""Patterns of what a model needs (a star stands for folders, too); formats that can carry code are not downloaded."""
EVALUATION_FILES = (
    "README.md",
    *(f"evaluation/*{ending}" for ending in (".json", ".jsonl", ".toml", ".parquet", ".png")),
)
PUBLISHED = (".json", ".jsonl", ".safetensors", ".txt", ".md", ".toml", ".parquet", ".png", ".onnx")
"""Endings of what may be published: formats that hold data and no code."""
_COMMIT = re.compile(r"[0-9a-f]{40}")
Kind = Literal["model", "dataset"]
Part = Literal["model", "evaluation", "scores", "all"]
"""What of a publication is needed: the model's files, the evaluation, its scores alone, or everything."""
_PATTERNS: dict[Part, tuple[str, ...]] = {
    "model": (*MODEL_FILES, MANIFEST, SIGNATURE),
    "evaluation": EVALUATION_FILES,
    "scores": ("evaluation/metrics.json", MANIFEST, SIGNATURE),
    "all": MODEL_FILES + EVALUATION_FILES,
}
LONGEST_PING = 4.0
"""Seconds until a connection stands, and then until an answer, where nothing but that is asked."""
log = logging.getLogger("verdict")

client.install()


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
            raise NotOnHub(f"{self.repo} holds no evaluation at this commit, so there is nothing to measure it by.")
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

    @cached_property
    def signed(self) -> bool:
        """Whether its manifest says that it is signed. Raises IntegrityError as `manifest` does."""
        if self.manifest is None:
            return False
        return bool(json.loads((self.folder / MANIFEST).read_text(encoding="utf-8")).get("signed"))


def api() -> HfApi:
    """A client for the Hub that HF_ENDPOINT and HF_TOKEN name."""
    return HfApi(endpoint=constants.ENDPOINT, token=get_token(), library_name="verdict")


def split_name(name: str) -> tuple[str, str | None]:
    """`user/name@revision` -> ("user/name", "revision"); the revision may be absent."""
    repo, _, revision = name.strip().partition("@")
    return repo, revision or None


def is_pinned(name: str) -> bool:
    """Whether a name has a full commit SHA for its revision."""
    return bool(_COMMIT.fullmatch(split_name(name)[1] or ""))


def resolve(name: str, kind: Kind = "model") -> tuple[str, str]:
    """`user/name[@revision]` -> repo and full commit SHA; asks the Hub only where a revision is not one already."""
    repo, revision = split_name(name)
    if revision and is_pinned(name):
        return repo, revision
    with _asking(name):
        commit = api().repo_info(repo, revision=revision, repo_type=kind).sha
    if not commit:
        raise HubError(f"The Hub named no commit for {name}.")
    return repo, commit


def answers() -> bool:
    """Whether the Hub answers, other than that it can't; asked once, for something with a body: some stop in that."""
    if constants.is_offline_mode():
        return False
    try:
        return not is_busy(httpx2.get(f"{constants.ENDPOINT}/api/models", params={"limit": 1}, timeout=LONGEST_PING))
    except httpx2.HTTPError:
        return False


def cached(repo: str, commit: str, part: Part = "all", cache: Path | None = None) -> Publication | None:
    """The publication, if all of this part that its manifest names is in the cache; nobody is asked."""
    with in_our_words(f"{repo}@{commit}"):
        found = try_to_load_from_cache(repo, MANIFEST, revision=commit, cache_dir=cache)
    if not isinstance(found, str):
        return None
    publication = Publication(repo, commit, Path(found).parent.parent)
    try:
        wanted = [name for name in publication.manifest or {} if _is_of(part, name)]
        wanted += [SIGNATURE] if publication.signed else []
    except IntegrityError:
        return None  # the copy of the manifest is damaged: what is here has to be compared with the Hub's listing
    return publication if all((publication.folder / name).is_file() for name in wanted) else None


def fetch(repo: str, commit: str, part: Part = "all", cache: Path | None = None) -> Publication:
    """Download what is not in the cache yet, unchecked; with everything there, the Hub is not asked at all.

    `cache` replaces the Hub client's own. What came other than the Hub lists it is fetched once more, and what is wrong
    even then is left for the integrity check to refuse. Raises HubError when a file is not to be had, and ModelError,
    before anything is downloaded, for a repo that lists what should not be (limits.py).
    """
    if found := cached(repo, commit, part, cache):
        return found
    everything = listing(repo, commit)
    limits.require_acceptable(f"{repo}@{commit}", everything, _PATTERNS["all"])
    listed = {name: entry for name, entry in everything.items() if _is_of(part, name)}
    publication = Publication(repo, commit, _folder(repo, commit, cache))
    how: dict[str, Any] = {"revision": commit, "cache_dir": cache, "token": get_token()}
    with _asking(publication.name):
        try:
            snapshot_download(repo, allow_patterns=list(_PATTERNS[part]), **how)
        except OSError as error:
            if not came_short(error):
                raise
        if damaged := [name for name, entry in listed.items() if not _is_listed_as(publication.folder / name, entry)]:
            log.warning("Fetching again what did not come as the Hub lists it: %s", ", ".join(damaged))
            forget(publication, damaged)
            for name in damaged:
                hf_hub_download(repo, name, **how)
    return publication


def forget(publication: Publication, names: Iterable[str]) -> None:
    """Remove files from the cache, so that the next `fetch` downloads them again; never one outside the cache."""
    cache = publication.cache.resolve()
    for path in (publication.folder / name for name in names):
        for file in (path.resolve(), path.parent.resolve() / path.name):  # the bytes, and the snapshot's link to them
            if cache in file.parents and (file.is_file() or file.is_symlink()):
                file.unlink()


def publish(repo: str, files: Mapping[str, Path | bytes], title: str, *, private: bool = False) -> str:
    """Make `files` (path in the repo -> local file or content) the repo's whole content, in one commit.

    Returns the commit's SHA. The parent commit is stated, so that nothing is overwritten unseen: HubConflict if the
    repo moved on meanwhile. Nothing is visible until all of it is. Raises ModelError for formats that may carry code,
    IntegrityError if the Hub then lists other bytes than were sent.
    """
    _require_data(files)
    with _asking(repo, "was not published, as far as is known"):
        api().create_repo(repo, private=private, exist_ok=True)
        parent = api().model_info(repo).sha
        listed = listing(repo, parent) if parent else {}
        stale = set(listed) - set(files) - {".gitattributes"}
        operations = [CommitOperationAdd(path, content) for path, content in files.items()]
        operations += [CommitOperationDelete(path) for path in sorted(stale)]  # type: ignore[misc]
        try:
            with warnings.catch_warnings():
                # The evaluation's parquet files belong to the model; the client takes them for a misplaced data set.
                warnings.filterwarnings("ignore", message="It seems that you are about to commit a data file")
                commit = api().create_commit(repo, operations, commit_message=title, parent_commit=parent).oid
        except (httpx2.HTTPError, *GARBLED):
            found = _arrived(repo, parent, files)
            if not found:
                raise
            commit = found
    _require_arrived(repo, commit, files)
    return commit


def listing(repo: str, commit: str, kind: Kind = "model") -> dict[str, RepoSibling]:
    """What the Hub says it holds at `commit`: path -> its entry, with the file's hash."""
    with _asking(f"{repo}@{commit}"):
        ask = api().dataset_info if kind == "dataset" else api().model_info
        found = ask(repo, revision=commit, files_metadata=True)
    if found.sha != commit:
        raise HubUnreachable(f"The Hub has no listing of {repo}@{commit} yet, only one of {found.sha}. Try again soon.")
    return {each.rfilename: each for each in found.siblings or []}


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
        commits = api().list_repo_commits(repo)
    return [{"commit": each.commit_id, "when": each.created_at, "title": each.title} for each in commits]


def tags(repo: str) -> dict[str, str]:
    """The repo's tags: name -> commit."""
    with _asking(repo):
        return {each.name: each.target_commit for each in api().list_repo_refs(repo).tags}


def tag(repo: str, commit: str, name: str) -> None:
    """Give the tag `name` to a commit, whichever had it before. Where that fails, the one before has it still."""
    before = tags(repo).get(name)
    if before == commit:
        return
    with _asking(f"{repo}@{commit}"):
        if before:
            api().delete_tag(repo, tag=name)  # a tag cannot be moved
        try:
            api().create_tag(repo, tag=name, revision=commit)
        except Exception:
            if before:
                api().create_tag(repo, tag=name, revision=before)
            raise


def _folder(repo: str, commit: str, cache: Path | None) -> Path:
    """Where the Hub's client puts a commit's files."""
    kept = Path(cache or constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repo, repo_type="model")
    return kept / "snapshots" / commit


def _is_of(part: Part, name: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in _PATTERNS[part])


def _is_listed_as(content: Path | bytes, entry: RepoSibling) -> bool:
    """Whether these are the bytes that the Hub lists: it names large files by SHA-256, small ones as git does."""
    if isinstance(content, Path) and not content.is_file():
        return False
    if entry.lfs:
        found = sha256(content) if isinstance(content, Path) else hashlib.sha256(content).hexdigest()
        return found == entry.lfs.sha256
    return bool(entry.blob_id == git_hash(content.read_bytes() if isinstance(content, Path) else content))


def _not_as_sent(repo: str, commit: str, files: Mapping[str, Path | bytes]) -> list[str]:
    """The files that the Hub lists otherwise than they were sent, or not at all, or though they were not sent."""
    listed = listing(repo, commit)
    names = (set(files) | set(listed)) - {".gitattributes"}
    return sorted(
        name
        for name in names
        if not {name} <= files.keys() & listed.keys() or not _is_listed_as(files[name], listed[name])
    )


def _arrived(repo: str, parent: str | None, files: Mapping[str, Path | bytes]) -> str | None:
    """The commit that was made though its answer was lost, or was refused to a second attempt; None if none was."""
    try:
        head = api().model_info(repo).sha
        return head if head != parent and not _not_as_sent(repo, str(head), files) else None
    except (HubError, httpx2.HTTPError, *GARBLED):
        return None  # what went wrong before is what there is to tell


def _require_arrived(repo: str, commit: str, files: Mapping[str, Path | bytes]) -> None:
    try:
        wrong = _not_as_sent(repo, commit, files)
    except HubUnreachable as error:
        log.warning("Published, but the Hub could not be asked what arrived: %s", error)
        return
    if wrong:
        raise IntegrityError(
            f"{', '.join(wrong)} did not arrive at {repo}@{commit} as sent. Publish again: only that is sent once more."
        )


def _require_data(files: Mapping[str, Any]) -> None:
    if refused := [name for name in files if not name.endswith(PUBLISHED)]:
        raise ModelError(
            f"{', '.join(refused)}: other files than {', '.join(PUBLISHED)} may carry code and are not published."
        )
