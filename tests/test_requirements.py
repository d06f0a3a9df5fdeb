"""What is installed is pinned, with all that it needs in turn."""

from collections.abc import Iterator
from importlib.metadata import requires, version

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from core.files import PROJECT

TOOLS = {"setuptools", "pip"}
"""of the environment itself: pip-tools leaves them out"""


def lines(name: str) -> Iterator[Requirement]:
    for line in (PROJECT / name).read_text(encoding="utf-8").splitlines():
        wanted = line.partition("#")[0].strip()
        if wanted.startswith("-r "):
            yield from lines(wanted.removeprefix("-r "))
        elif wanted:
            yield Requirement(wanted)


def collect(wanted: Requirement, found: set[tuple[str, str]], extra: str = "") -> None:
    """Add the package with its wanted extras to `found`, and whatever they need here."""
    name = canonicalize_name(wanted.name)
    if (name, extra) in found:
        return
    found.add((name, extra))
    for each in map(Requirement, requires(name) or []):
        if each.marker is None or each.marker.evaluate({"extra": extra}):
            for inner in ("", *each.extras):
                collect(each, found, inner)


@pytest.fixture(scope="module")
def pinned() -> dict[str, str]:
    return {canonicalize_name(each.name): str(each.specifier) for each in lines("requirements.txt")}


def test_every_package_that_is_needed_is_pinned_to_one_version(pinned: dict[str, str]) -> None:
    found: set[tuple[str, str]] = set()
    for each in lines("requirements.in"):
        collect(each, found)
    assert {name for name, _ in found} - TOOLS == set(pinned)
    assert all(specifier.startswith("==") and "*" not in specifier for specifier in pinned.values())


def test_the_tests_run_with_these_versions(pinned: dict[str, str]) -> None:
    here = {name: f"=={Version(version(name)).public}" for name in pinned}
    assert here == pinned
