"""Run -> publication: what goes to the Hub, and what must not."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from huggingface_hub import RepoFile

from core import hub, metrics
from core import recipe as recipes
from core.errors import HubRefused, NotOnHub, RunError
from core.files import sha256
from core.runs import Run
from train.fit import fit
from train.publish import publish

ALLOWED = (".json", ".jsonl", ".safetensors", ".txt", ".md", ".toml", ".parquet", ".png")


@pytest.fixture
def copy(run: Run, no_runs: Path) -> Run:
    """The tiny run under a root of its own, not published yet."""
    target = no_runs / "tiny" / run.path.name
    return Run(Path(shutil.copytree(run.path, target, ignore=shutil.ignore_patterns("publications.jsonl"))))


@pytest.fixture(scope="module")
def elsewhere(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A run of a recipe that names its data and its encoder relative to the folder it is started in."""
    folder = tmp_path_factory.mktemp("private-place")
    shutil.copytree(tiny.parent, folder, dirs_exist_ok=True)
    recipe = recipes.load(folder / "tiny.toml", ["encoder='encoder'", "data.file='reviews.jsonl'", "training.epochs=1"])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("VERDICT_RUNS", str(folder / "runs"))
        patch.setattr(metrics, "RESAMPLES", 5)
        yield fit(recipe)


def files_on_hub(repo: str, commit: str) -> dict[str, RepoFile]:
    entries = hub.api().list_repo_tree(repo, revision=commit, recursive=True)
    return {entry.path: entry for entry in entries if isinstance(entry, RepoFile)}


def test_what_is_published_is_the_run(published: str, run: Run) -> None:
    repo, commit = published.split("@")
    folder = hub.fetch(repo, commit).folder
    folders = (run.model, *(run.path / name for name in ("predictions", "pictures", "slices")))
    for path in (path for folder in folders for path in folder.iterdir()):
        name = path.name if path.parent == run.model else f"evaluation/{path.parent.name}/{path.name}"
        assert sha256(folder / name) == sha256(path), name
    for name in ("recipe.toml", "environment.json", "data.json", "history.jsonl", "metrics.json"):
        assert (folder / "evaluation" / name).read_bytes() == (run.path / name).read_bytes()


def test_the_manifest_names_every_file_and_its_hash(published: str, run: Run) -> None:
    repo, commit = published.split("@")
    folder = hub.fetch(repo, commit).folder
    manifest = json.loads((folder / hub.MANIFEST).read_text())
    assert manifest["run"] == run.name
    assert set(files_on_hub(repo, commit)) == {*manifest["sha256"], hub.MANIFEST, ".gitattributes"}
    assert manifest["sha256"] == {name: sha256(folder / name) for name in manifest["sha256"]}
    assert all(Path(name).suffix in ALLOWED for name in manifest["sha256"])


def test_texts_are_published_where_the_recipe_says_so(published: str, run: Run, tiny: Path) -> None:
    folder = hub.fetch(*published.split("@")).folder
    found = pd.read_parquet(folder / "evaluation" / "texts" / "test.parquet").set_index("id")
    rows = pd.read_json(tiny.parent / "reviews.jsonl", lines=True).set_index("id")
    assert found["text"].to_dict() == rows[rows["split"] == "test"]["text"].to_dict()
    assert not (folder / "evaluation" / "texts" / "train.parquet").exists()


def test_no_text_is_published_where_the_recipe_does_not(copy: Run, tiny: Path) -> None:
    recipe = copy.record.recipe
    kept = recipe.publish.model_copy(update={"texts": False, "examples": ()})
    hidden = Run(copy.path.parent / "hidden")
    shutil.copytree(copy.path, hidden.path)
    (hidden.path / "recipe.toml").write_text(recipes.dumps(recipe.model_copy(update={"publish": kept})))
    _derive_again(hidden)
    commit = publish(hidden, "demo/publish-hidden")
    content = b"".join(path.read_bytes() for path in _files(hub.fetch("demo/publish-hidden", commit).folder))
    rows = pd.read_json(tiny.parent / "reviews.jsonl", lines=True)
    assert not [text for text in rows["text"] if len(text) > 12 and text.encode() in content]
    assert not [name for name in files_on_hub("demo/publish-hidden", commit) if "texts" in name]


def _derive_again(run: Run) -> None:
    """Store the hashes of the run's present files in its metrics."""
    path = run.path / "metrics.json"
    stored = json.loads(path.read_text())
    stored["sha256"] = {name: sha256(run.path / name) for name in stored["sha256"]}
    path.write_text(json.dumps(stored))


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_no_path_of_this_machine_is_published(elsewhere: Run) -> None:
    commit = publish(elsewhere, "demo/publish-elsewhere")
    folder = hub.fetch("demo/publish-elsewhere", commit).folder
    assert len(_files(folder)) > 12
    for secret in ("private-place", str(Path.home()), str(Path.cwd()), str(elsewhere.path)):
        named = [path.relative_to(folder) for path in _files(folder) if secret.encode() in path.read_bytes()]
        assert not named, secret


def test_a_publication_is_one_commit_and_is_remembered(copy: Run) -> None:
    commit = publish(copy, "demo/publish-once")
    titles = [each["title"] for each in hub.history("demo/publish-once")]
    assert titles == [f"Publish run {copy.name}", "initial commit"]
    assert copy.publications[-1]["repo"] == "demo/publish-once"
    assert copy.publications[-1]["commit"] == commit


def test_publishing_the_same_run_again_changes_nothing(copy: Run) -> None:
    first, again = (publish(copy, "demo/publish-twice") for _ in range(2))
    assert files_on_hub("demo/publish-twice", first).keys() == files_on_hub("demo/publish-twice", again).keys()
    one, other = (hub.fetch("demo/publish-twice", commit).manifest for commit in (first, again))
    assert one == other


def test_a_private_repo_is_private(copy: Run) -> None:
    publish(copy, "demo/publish-private", private=True)
    assert hub.api().model_info("demo/publish-private").private


def test_an_incomplete_run_is_not_published(copy: Run) -> None:
    (copy.path / "metrics.json").unlink()
    with pytest.raises(RunError, match="is not complete"):
        publish(copy, "demo/publish-incomplete")
    _require_nowhere("demo/publish-incomplete")


def flip(name: str) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        content = bytearray((folder / name).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / name).write_bytes(content)

    return change


CHANGES: dict[str, Callable[[Path], object]] = {
    "model/model.safetensors": flip("model/model.safetensors"),
    "model/tokenizer.json": lambda folder: (folder / "model" / "tokenizer.json").unlink(),
    "predictions/test.parquet": flip("predictions/test.parquet"),
    "slices/test.parquet": flip("slices/test.parquet"),
    "data.json": flip("data.json"),
    "environment.json": flip("environment.json"),
    "history.jsonl": flip("history.jsonl"),
    "recipe.toml": lambda folder: (folder / "recipe.toml").write_text(
        (folder / "recipe.toml").read_text().replace("epochs = ", "epochs = 1")
    ),
    "model/extra.json": lambda folder: (folder / "model" / "extra.json").write_text("{}"),
    "pictures/confusion.png": flip("pictures/confusion.png"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_run_that_changed_since_it_was_measured_is_not_published(copy: Run, name: str) -> None:
    CHANGES[name](copy.path)
    with pytest.raises(RunError, match=name):
        publish(copy, "demo/publish-changed")
    assert copy.publications == []


def test_a_hub_that_refuses_leaves_no_trace(copy: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(HubRefused):
        publish(copy, "demo/publish-refused")
    monkeypatch.undo()
    assert copy.publications == []
    _require_nowhere("demo/publish-refused")


def _require_nowhere(repo: str) -> None:
    with pytest.raises(NotOnHub):
        hub.resolve(repo)
