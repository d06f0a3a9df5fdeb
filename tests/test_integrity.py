"""Every byte against listing and manifest, on a real local Hub that can be made to lie."""

import hashlib
from pathlib import Path

import pytest
from huggingface_hub import HfApi, get_token

from core import hub, integrity
from core.errors import IntegrityError, NotOnHub
from core.hub import MANIFEST, Publication
from tests.small_repo import FILES, publish, stored


def problems(found: Publication) -> dict[str, str]:
    return {each.path: each.problem for each in integrity.check(found, strict=True).bad}


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_an_honest_publication_has_no_problem(fetched: Publication) -> None:
    found = integrity.check(fetched, strict=True)
    assert found.bad == []
    assert found.against_hub
    assert {each.path: each.sha256 for each in found.files} == {
        name: hashlib.sha256((fetched.folder / name).read_bytes()).hexdigest() for name in (*FILES, MANIFEST)
    }
    assert integrity.missing(fetched) == []
    found.require(fetched.name)


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
def test_a_flipped_byte_is_found_in_any_file(fetched: Publication, name: str) -> None:
    if name == MANIFEST:  # a flip that leaves it readable
        path = fetched.folder / name
        path.write_bytes(path.read_bytes().replace(b'"schema": 1', b'"schema": 2'))
    else:
        flip(fetched.folder / name)
    said = "differs from the Hub's listing" + ("" if name == MANIFEST else " and differs from the manifest")
    assert problems(fetched) == {name: said}
    with pytest.raises(IntegrityError, match=f"was not loaded.*{name}: differs"):
        integrity.check(fetched).require(fetched.name)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_hub_that_lies_is_found_out(repo: str, name: str, tmp_path: Path) -> None:
    commit = publish(repo, FILES | {name: FILES[name] + b" "})
    flip(stored(repo, FILES[name] + b" "))
    found = hub.fetch(repo, commit, cache=tmp_path)
    assert problems(found) == {name: "differs from the Hub's listing and differs from the manifest"}


def test_an_extra_file_is_found(fetched: Publication) -> None:
    (fetched.folder / "evaluation" / "extra.json").write_text("{}")
    said = "is not in the Hub's listing and is not in the manifest"
    assert problems(fetched) == {"evaluation/extra.json": said}


def test_a_missing_file_is_found(fetched: Publication) -> None:
    (fetched.folder / "config.json").unlink()
    assert integrity.missing(fetched) == ["config.json"]


def test_files_that_came_after_the_manifest_are_found(repo: str, tmp_path: Path) -> None:
    publish(repo)
    api = HfApi(token=get_token())
    api.upload_file(path_or_fileobj=b"x", path_in_repo="pytorch_model.bin", repo_id=repo)
    commit = api.delete_file("config.json", repo_id=repo).oid
    assert problems(hub.fetch(repo, commit, cache=tmp_path)) == {
        "pytorch_model.bin": "is on the Hub but not in the manifest",
        "config.json": "is in the manifest but not on the Hub",
    }


def test_a_file_of_another_revision_is_found(repo: str, tmp_path: Path) -> None:
    old = publish(repo)
    new = publish(repo, FILES | {"config.json": b'{"a": 9}'})
    older, newer = (hub.fetch(repo, commit, cache=tmp_path) for commit in (old, new))
    content = (older.folder / "config.json").read_bytes()
    (newer.folder / "config.json").unlink()
    (newer.folder / "config.json").write_bytes(content)
    assert set(problems(newer)) == {"config.json"}
    assert problems(older) == {}


def test_a_model_without_manifest_is_checked_against_the_listing(repo: str, tmp_path: Path) -> None:
    found = hub.fetch(repo, hub.publish(repo, {"config.json": b"{}"}, "x"), cache=tmp_path)
    assert found.manifest is None
    assert problems(found) == {}
    flip(found.folder / "config.json")
    assert problems(found) == {"config.json": "differs from the Hub's listing"}
    with pytest.raises(NotOnHub, match="holds no evaluation"):
        _ = found.record


@pytest.mark.parametrize("content", [b"{", b"[]", b"{}", b'{"sha256": 5}', b'{"sha256": [1]}', b"\xff", b"null"])
def test_a_damaged_manifest_is_said(repo: str, content: bytes, tmp_path: Path) -> None:
    commit = hub.publish(repo, {"config.json": b"{}", MANIFEST: content}, "x")
    for _ in range(2):  # with what the first time left in the cache, too
        found = hub.fetch(repo, commit, cache=tmp_path)
        with pytest.raises(IntegrityError, match=r"manifest\.json of .* is damaged"):
            integrity.check(found)


def test_with_a_manifest_that_cannot_be_read_nothing_stays_in_the_cache(fetched: Publication) -> None:
    (fetched.folder / MANIFEST).write_bytes(b"{")
    with pytest.raises(IntegrityError, match=r"manifest\.json of .* is damaged"):
        integrity.require_whole(Publication(fetched.repo, fetched.commit, fetched.folder))
    assert not [path for path in fetched.folder.rglob("*") if path.is_file()]
