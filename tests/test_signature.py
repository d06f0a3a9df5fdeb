"""Signatures: made with a key, checked with its other half, refused when they fail, and stated when they are absent."""

import json
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from core import hub, integrity
from core.errors import IntegrityError, SignatureError
from core.hub import MANIFEST, SIGNATURE
from core.runs import Run
from core.signature import KEY
from core.verify import verify
from train.publish import publish


class Keys:
    """The files of a private key and of its public key."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        made, pem = ec.generate_private_key(ec.SECP256R1()), serialization.Encoding.PEM
        self.private, self.public = folder / "key.pem", folder / "key.pub"
        self.private.write_bytes(
            made.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        self.public.write_bytes(made.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys(tmp_path_factory.mktemp("keys") / "ours")


@pytest.fixture(scope="module")
def signed(run: Run, keys: Keys) -> str:
    """The name of a signed publication."""
    return f"demo/signed@{publish(run, 'demo/signed', key=keys.private)}"


def fetch(name: str, **changed: bytes) -> hub.Publication:
    """The publication, or one that differs from it in these files."""
    found = hub.fetch(*hub.resolve(name))
    if not changed:
        return found
    files: dict[str, Path | bytes] = {
        path.relative_to(found.folder).as_posix(): path for path in found.folder.rglob("*") if path.is_file()
    }
    renamed = {MANIFEST if name == "manifest" else SIGNATURE: content for name, content in changed.items()}
    return hub.fetch("demo/changed", hub.publish("demo/changed", files | renamed, "Change"))


def test_what_the_key_signed_is_verified_and_names_the_key(
    signed: str, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY, str(keys.public))
    found = verify(signed)
    assert found["verdict"]["kind"] == "identical"
    assert found["signature"].startswith("Signed by the key ")
    assert SIGNATURE in {each["path"] for each in found["files"]}


def test_without_a_key_it_is_said_that_nobody_checked(signed: str) -> None:
    assert "was not checked" in integrity.require_whole(fetch(signed)).signature


def test_what_is_not_signed_is_stated(published: str, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, str(keys.public))
    assert integrity.require_whole(fetch(published)).signature == "Not signed."


def test_a_signature_that_was_taken_away_is_missed(signed: str) -> None:
    found = fetch(signed)
    files = {path.relative_to(found.folder).as_posix(): path for path in found.folder.rglob("*") if path.is_file()}
    commit = hub.publish("demo/stripped", {name: path for name, path in files.items() if name != SIGNATURE}, "Strip")
    with pytest.raises(IntegrityError, match="is missing, though the manifest says that it is signed"):
        integrity.fetch("demo/stripped", commit)


def test_anothers_signature_is_refused(signed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, str(Keys(tmp_path / "others").public))
    for _ in range(2):  # the second time it is fetched again
        with pytest.raises(IntegrityError, match=f"{SIGNATURE}: is not the manifest's signature by the key"):
            integrity.require_whole(fetch(signed))
    found = verify(signed)
    assert found["verdict"]["kind"] == "unverifiable"
    assert found["signature"] == "The signature failed."


@pytest.mark.parametrize("part", ["model", "evaluation", "scores"])
def test_whatever_part_is_fetched_its_signature_is_checked(
    signed: str, part: hub.Part, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY, str(Keys(tmp_path / "others").public))
    publication = hub.fetch(*hub.resolve(signed), part, cache=tmp_path / "cache")
    with pytest.raises(IntegrityError, match="signature"):
        integrity.require_whole(publication)


def test_a_manifest_that_was_changed_afterwards_is_refused(
    signed: str, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY, str(keys.public))
    stated = json.loads((fetch(signed).folder / MANIFEST).read_text(encoding="utf-8"))
    with pytest.raises(IntegrityError, match="is not the manifest's signature"):
        integrity.require_whole(fetch(signed, manifest=json.dumps(stated | {"run": "demo/another"}).encode()))


@pytest.mark.parametrize("content", [b"", b"{}", b"no JSON", b"\x00" * 100])
def test_a_damaged_signature_is_refused(
    signed: str, keys: Keys, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY, str(keys.public))
    with pytest.raises(IntegrityError, match="is not the manifest's signature"):
        integrity.require_whole(fetch(signed, signature=content))


def test_what_is_not_a_key_is_said(signed: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text("no key", encoding="utf-8")
    monkeypatch.setenv(KEY, str(tmp_path / "key"))
    with pytest.raises(SignatureError, match="elliptic-curve key in a PEM file"):
        integrity.require_whole(fetch(signed))
    with pytest.raises(SignatureError, match="elliptic-curve key in a PEM file"):
        publish(run, "demo/never", key=tmp_path / "missing")


def test_without_the_library_it_is_said_how_to_get_it(
    signed: str, run: Run, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY, str(keys.public))
    monkeypatch.setitem(sys.modules, "model_signing", None)
    with pytest.raises(SignatureError, match=r"pip install -r requirements-sign\.txt"):
        integrity.require_whole(fetch(signed))
    with pytest.raises(SignatureError, match=r"pip install -r requirements-sign\.txt"):
        publish(run, "demo/never", key=keys.private)
