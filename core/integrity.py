"""Integrity: every byte of a publication against the Hub's own listing and the publication's manifest.

The Hub client does not check what it downloads, so nothing is opened before it was hashed here. What `fetch` gives may
be read; what an unchanged file hashed to is remembered beside it (hashing.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub.hf_api import RepoSibling

from core import hub, signature
from core.errors import HubUnreachable, IntegrityError
from core.hashing import Memory
from core.hub import MANIFEST, SIGNATURE, Part, Publication

UNSTATED = (MANIFEST, SIGNATURE)
"""Files whose hashes no manifest can state: itself, and what is signed when it is finished."""


@dataclass(frozen=True)
class FileCheck:
    """One file against what it should be."""

    path: str
    sha256: str | None
    """of the bytes that are here; None if they are not"""
    problem: str
    """what is wrong; empty if nothing is"""


@dataclass(frozen=True)
class Integrity:
    """All files of a publication, checked."""

    files: tuple[FileCheck, ...]
    against_hub: bool
    """whether the Hub's listing could be asked, or only the manifest"""
    signature: str = "Not signed."
    """by whom, in words"""

    @property
    def bad(self) -> list[FileCheck]:
        """The files that are not what they should be."""
        return [each for each in self.files if each.problem]

    def require(self, name: str) -> None:
        """Raise IntegrityError naming every bad file."""
        if self.bad:
            listed = "; ".join(f"{each.path}: {each.problem}" for each in self.bad)
            raise IntegrityError(
                f"{name} was not loaded, because its bytes are not those that were published. {listed}."
            )


def fetch(repo: str, commit: str, part: Part = "all", *, strict: bool = False) -> Publication:
    """Download what is not in the cache yet, and check all that is there; see `hub.fetch` and `check`.

    Raises IntegrityError, ModelError for a repo that is refused as it is listed, or another HubError.
    """
    publication = hub.fetch(repo, commit, part)
    require_whole(publication, strict=strict)
    return publication


def require_whole(publication: Publication, *, strict: bool = False) -> Integrity:
    """The result of `check`. Raises IntegrityError where anything differs, and has that fetched again next time."""
    try:
        found = check(publication, strict=strict)
    except IntegrityError:  # the manifest cannot even be read: nothing else can be judged
        hub.forget(publication, _files(publication.folder))
        raise
    # What differs would otherwise be refused for ever.
    bad = [each.path for each in found.bad]
    hub.forget(publication, [MANIFEST] if MANIFEST in bad else bad)
    found.require(publication.name)
    return found


def check(publication: Publication, *, strict: bool = False) -> Integrity:
    """Hash the files that are here and compare them with the Hub's listing and the manifest.

    Where the Hub cannot be reached, the manifest alone is used, and the result says so; `strict` raises
    HubUnreachable instead. A model without manifest needs the listing. Raises IntegrityError for a damaged manifest,
    SignatureError for a signature that cannot be checked.
    """
    listed: dict[str, RepoSibling] | None = None
    try:
        listed = hub.listing(publication.repo, publication.commit)
    except HubUnreachable:
        if strict or publication.manifest is None:
            raise
    signed = signature.check(publication)
    found = _Check(publication, listed, {SIGNATURE: signed.problem})
    checks = [found.file(name, path) for name, path in _files(publication.folder).items()]
    if signed.problem and SIGNATURE not in {each.path for each in checks}:
        checks.append(FileCheck(SIGNATURE, None, signed.problem))
    found.memory.save()
    return Integrity(
        tuple(sorted(checks + found.names(), key=lambda each: each.path)), listed is not None, signed.state
    )


def missing(publication: Publication) -> list[str]:
    """Files that the manifest names and that are not here."""
    return sorted(name for name in publication.manifest or {} if not (publication.folder / name).is_file())


class _Check:
    """One check of a publication: what is listed and stated of its files, and what they are known to hash to."""

    def __init__(
        self, publication: Publication, listed: Mapping[str, RepoSibling] | None, known: Mapping[str, str]
    ) -> None:
        self._folder, self._listed, self._stated = publication.folder, listed, publication.manifest
        self._known = known  # problems by path
        self._cache = publication.cache.resolve()
        self.memory = Memory(self._cache)

    def file(self, name: str, path: Path) -> FileCheck:
        """A file that is here. Links other than the Hub client's own into its blobs are not followed."""
        if path.is_symlink() and not (path.is_file() and self._is_own_link(path)):
            return FileCheck(name, None, "is a link that leads out of the cache")
        found = self._compared(name, path)
        # What is remembered can be damaged: a file is never refused unread.
        return self._compared(name, path, afresh=True) if found.problem else found

    def names(self) -> list[FileCheck]:
        """Files that only one of listing and manifest knows, and that are not here to be hashed."""
        if self._listed is None or self._stated is None:
            return []
        here = set(_files(self._folder))
        extra = set(self._listed) - set(self._stated) - {*UNSTATED, ".gitattributes"} - here
        absent = set(self._stated) - set(self._listed) - here
        return [FileCheck(name, None, "is on the Hub but not in the manifest") for name in extra] + [
            FileCheck(name, None, "is in the manifest but not on the Hub") for name in absent
        ]

    def _compared(self, name: str, path: Path, *, afresh: bool = False) -> FileCheck:
        found = self.memory.hash(path, "sha256", afresh=afresh)
        problems = [known] if (known := self._known.get(name)) else []
        if self._listed is not None and not self._as_listed(name, path, afresh):
            in_listing = name in self._listed
            problems.append("differs from the Hub's listing" if in_listing else "is not in the Hub's listing")
        if self._stated is not None and name not in UNSTATED and self._stated.get(name) != found:
            problems.append("differs from the manifest" if name in self._stated else "is not in the manifest")
        return FileCheck(name, found, " and ".join(problems))

    def _as_listed(self, name: str, path: Path, afresh: bool) -> bool:
        entry = self._listed.get(name) if self._listed else None
        if entry is None:
            return False
        if entry.lfs:
            return entry.lfs.sha256 == self.memory.hash(path, "sha256")
        return entry.blob_id == self.memory.hash(path, "git", afresh=afresh)

    def _is_own_link(self, path: Path) -> bool:
        # The client keeps a repo's blobs beside its snapshots, and those that repos share beside the repos.
        target = path.resolve()
        return any(target.is_relative_to(folder / "blobs") for folder in (self._cache, self._cache.parent))


def _files(folder: Path) -> dict[str, Path]:
    """Files and links under `folder` by their paths in the repo; git's own settings are never read."""
    found = [path for path in folder.rglob("*") if path.is_symlink() or path.is_file()]
    return {path.relative_to(folder).as_posix(): path for path in found if path.name != ".gitattributes"}
