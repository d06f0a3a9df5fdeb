"""Every file of a publication, damaged in every way, in the cache and on the Hub: found before anything is loaded."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import streamlit as st

from core import fastest, hub, ui
from core.errors import IntegrityError
from core.files import sha256
from core.hub import MANIFEST, Publication
from core.verify import verify
from tests import forged
from tests.forged import Changes, Files

Damage = Callable[[Path, Path], object]
"""What becomes of a file, given it and the same file of another revision."""

FILES = (
    "README.md", "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", MANIFEST,
    *(f"evaluation/{name}" for name in (
        "data.json", "environment.json", "history.jsonl", "metrics.json", "recipe.toml",
        *(f"pictures/{name}.png" for name in ("confusion", "loss", "metrics", "per_class", "reliability")),
        *(f"{kind}/{split}.parquet" for kind in ("predictions", "slices", "texts") for split in ("test", "validation")),
    )),
)  # fmt: skip
"""What a publication of the tiny run holds."""


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def extra(name: str) -> str:
    """The name of a file beside `name` that nobody published."""
    folder, _, file = name.rpartition("/")
    return f"{folder}/extra-{file}".lstrip("/")


def replaced(path: Path, other: Path) -> None:
    """The snapshot's link leads to the other revision's bytes, which lie beside its own."""
    path.unlink()
    path.symlink_to(os.path.relpath(other.resolve(), path.parent))


IN_CACHE: dict[str, Damage] = {
    "one byte flipped": lambda path, other: path.write_bytes(flipped(path.read_bytes())),
    "truncated": lambda path, other: path.write_bytes(path.read_bytes()[:-1]),
    "another revision's": replaced,
    "missing": lambda path, other: path.unlink(),
    "extra": lambda path, other: path.with_name(f"extra-{path.name}").write_bytes(path.read_bytes()),
}


@pytest.fixture(autouse=True)
def nothing_is_loaded(no_runs: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Reaching the loader, or reading a figure, ends the test."""

    def refuse(*what: object) -> None:
        raise AssertionError("something was loaded")

    monkeypatch.setattr(fastest, "load", refuse)
    monkeypatch.setattr(Publication, "record", property(refuse))
    yield
    st.cache_resource.clear()


@pytest.fixture(scope="module")
def two(published: str) -> tuple[Publication, Publication]:
    """A publication and another revision of it that differs in every file; both in the cache."""
    files = forged.files_of(published)
    other = forged.publish(published, {name: content + b"\n" for name, content in files.items()})
    one = forged.publish(published, {"README.md": files["README.md"] + b" "})
    return hub.fetch(*one.split("@")), hub.fetch(*other.split("@"))


@contextmanager
def afterwards_whole(path: Path) -> Iterator[None]:
    """What is done to a file of a snapshot is undone in the end."""
    blob, link = path.resolve(), path.readlink()
    content = blob.read_bytes()
    try:
        yield
    finally:
        blob.write_bytes(content)
        path.unlink(missing_ok=True)
        path.symlink_to(link)
        path.with_name(f"extra-{path.name}").unlink(missing_ok=True)


def test_the_files_are_all_of_a_publication(two: tuple[Publication, Publication]) -> None:
    found = {path.relative_to(two[0].folder).as_posix() for path in two[0].folder.rglob("*") if path.is_file()}
    assert found == set(FILES)


@pytest.mark.parametrize("damage", IN_CACHE)
@pytest.mark.parametrize("name", FILES)
def test_damage_in_the_cache_is_found_before_anything_is_loaded(
    two: tuple[Publication, Publication], name: str, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = two
    due = {file: sha256(one.folder / file) for file in FILES}
    with afterwards_whole(one.folder / name):
        st.cache_resource.clear()
        IN_CACHE[damage](one.folder / name, other.folder / name)
        # A missing file, and with a manifest that is none every file, is compared with the listing and fetched again.
        if damage != "missing" and (name, damage) != (MANIFEST, "truncated"):
            with pytest.raises(IntegrityError, match=extra(name) if damage == "extra" else name):
                ui.load_predictor(one.name)
        loaded: list[Path] = []
        monkeypatch.setattr(fastest, "load", loaded.append)
        ui.load_predictor(one.name)  # and mended
        assert loaded == [one.folder]
        assert sha256(one.folder / name) == due[name] or name not in due


Tampering = Callable[[Files, str], Changes]
ON_HUB: dict[str, tuple[Tampering, str]] = {
    "one byte flipped": (lambda files, name: {name: flipped(files[name])}, "differs from the manifest"),
    "truncated": (lambda files, name: {name: files[name][:-1]}, "differs from the manifest"),
    "another revision's": (lambda files, name: {name: files[name] + b"\n"}, "differs from the manifest"),
    "missing": (lambda files, name: {name: None}, "is in the manifest but not on the Hub"),
    "extra": (lambda files, name: {extra(name): files[name]}, "not in the manifest"),
}


@pytest.mark.parametrize("damage", ON_HUB)
def test_a_commit_that_the_manifest_does_not_know_is_found_out(published: str, damage: str) -> None:
    """All files at once, each by its name: a file that was downloaded for no other would not be found so."""
    files, (tampering, said) = forged.files_of(published), ON_HUB[damage]
    changes = {path: content for name in files for path, content in tampering(files, name).items()}
    name = forged.tamper(published, changes)
    found = verify(name)
    assert found["verdict"]["kind"] == "unverifiable"
    assert {each["path"] for each in found["files"] if each["problem"]} == set(changes)
    assert all(said in each["problem"] for each in found["files"] if each["problem"])
    with pytest.raises(IntegrityError, match="was not loaded"):
        ui.load_predictor(name)


MANIFESTS: dict[str, Callable[[Files], Changes]] = {
    "one byte flipped": lambda files: {MANIFEST: flipped(forged.manifest(files))},
    "truncated": lambda files: {MANIFEST: forged.manifest(files)[:-1]},
    "another revision's": lambda files: {MANIFEST: forged.manifest(dict.fromkeys(files, b"other"))},
    "missing": lambda files: {MANIFEST: None},
}


@pytest.mark.parametrize("damage", MANIFESTS)
def test_a_damaged_manifest_proves_nothing(published: str, damage: str) -> None:
    found = verify(forged.tamper(published, MANIFESTS[damage](forged.files_of(published))))
    assert found["verdict"]["kind"] == "unverifiable"
    assert "manifest" in found["verdict"]["sentence"]


def test_a_hub_that_serves_other_bytes_than_it_lists_is_found_out(published: str) -> None:
    """As many bytes as it lists, so that nothing but their hash tells."""
    files = {**forged.files_of(published), "tokenizer_config.json": b'{"a": 1}'}  # stored for this repo alone
    repo = "demo/forged-liar"
    stated = {**files, MANIFEST: forged.manifest(files)}
    commit = hub.publish(repo, stated, "Honest")
    for path in (Path(os.environ["VERDICT_TEST_HUB"]) / "models" / repo).glob("[bl][lf]*s/*"):
        if path.read_bytes() in files.values():
            path.write_bytes(flipped(path.read_bytes()))
    found = verify(f"{repo}@{commit}")
    assert found["verdict"]["kind"] == "unverifiable"
    problems = {each["path"]: each["problem"] for each in found["files"] if each["problem"]}
    assert problems == dict.fromkeys(files, "differs from the Hub's listing and differs from the manifest")
