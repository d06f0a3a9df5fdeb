"""Integrity: every byte of a publication against the Hub's own listing and the publication's manifest.

The Hub client does not check what it downloads, so nothing is opened before it was hashed here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub.hf_api import RepoSibling
from huggingface_hub.utils.sha import git_hash

from core import hub
from core.errors import HubUnreachable, IntegrityError
from core.files import sha256
from core.hub import MANIFEST, Publication


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


def check(publication: Publication, *, strict: bool = False) -> Integrity:
    """Hash the files that are here and compare them with the Hub's listing and the manifest.

    Where the Hub cannot be reached, the manifest alone is used, and the result says so; `strict` raises
    HubUnreachable instead. A model without manifest needs the listing.
    """
    listed: dict[str, RepoSibling] | None = None
    try:
        listed = hub.listing(publication.repo, publication.commit)
    except HubUnreachable:
        if strict or publication.manifest is None:
            raise
    stated = publication.manifest
    here = {path.relative_to(publication.folder).as_posix(): path for path in _files(publication.folder)}
    checks = [_check_file(name, path, listed, stated) for name, path in here.items()]
    checks += _check_names(set(here), listed, stated)
    return Integrity(tuple(sorted(checks, key=lambda each: each.path)), listed is not None)


def missing(publication: Publication) -> list[str]:
    """Files that the manifest names and that are not here."""
    return sorted(name for name in publication.manifest or {} if not (publication.folder / name).is_file())


def _check_file(
    name: str, path: Path, listing: Mapping[str, RepoSibling] | None, stated: Mapping[str, str] | None
) -> FileCheck:
    found = sha256(path)
    problems = []
    if listing is not None and not _as_listed(path, found, listing.get(name)):
        problems.append("differs from the Hub's listing" if name in listing else "is not in the Hub's listing")
    if stated is not None and name != MANIFEST and stated.get(name) != found:
        problems.append("differs from the manifest" if name in stated else "is not in the manifest")
    return FileCheck(name, found, " and ".join(problems))


def _check_names(
    here: set[str], listing: Mapping[str, RepoSibling] | None, stated: Mapping[str, str] | None
) -> list[FileCheck]:
    """Files that only one of listing and manifest knows, and that are not here to be hashed."""
    if listing is None or stated is None:
        return []
    extra = set(listing) - set(stated) - {MANIFEST, ".gitattributes"} - here
    absent = set(stated) - set(listing) - here
    return [FileCheck(name, None, "is on the Hub but not in the manifest") for name in extra] + [
        FileCheck(name, None, "is in the manifest but not on the Hub") for name in absent
    ]


def _as_listed(path: Path, found: str, entry: RepoSibling | None) -> bool:
    if entry is None:
        return False
    # The Hub names large files by SHA-256, small ones as git does.
    return entry.lfs.sha256 == found if entry.lfs else entry.blob_id == git_hash(path.read_bytes())


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.name != ".gitattributes"]
