"""Publication -> verification: what is honest is identical, and whatever is not is found out and named."""

import hashlib
import io
import json
import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import tomli_w
from huggingface_hub import ModelCard
from safetensors.numpy import load as read_weights
from safetensors.numpy import save as to_weights

from core import data, hub, metrics, predictor, recipe, runs
from core.errors import HubUnreachable, NotOnHub
from core.hub import MANIFEST
from core.metrics import Outcome
from core.runs import Run
from core.verify import verify
from tests import forged
from tests.forged import Files
from train.publish import publish

NUMBERS = count()
Logits = npt.NDArray[np.float32]


@pytest.fixture(autouse=True)
def a_machine_without_runs(no_runs: Path) -> None:
    """Verifying on the machine that made the run would store the verification with it."""


@pytest.fixture
def files(published: str) -> Files:
    """What is published of the tiny run, but for the manifest."""
    return forged.files_of(published)


def forge(files: Files) -> str:
    """Publish files with a manifest that fits them; returns the publication's name."""
    repo = f"demo/forged-{next(NUMBERS)}"
    return f"{repo}@{hub.publish(repo, {**files, MANIFEST: forged.manifest(files)}, 'Forge')}"


def verdict_of(name: str) -> dict[str, Any]:
    found: dict[str, Any] = verify(name)["verdict"]
    return found


def parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


def with_logits(files: Files, change: Callable[[Logits, npt.NDArray[np.int64]], Logits]) -> Files:
    """The files with other stored logits, and metrics.json and README following from them."""
    name = "evaluation/predictions/test.parquet"
    stored = pd.read_parquet(io.BytesIO(files[name]))
    labels = stored["label"].to_numpy()
    logits = change(np.stack(stored["logits"]), labels).astype(np.float32)
    stated = json.loads(files["evaluation/metrics.json"])
    summary = metrics.summary(Outcome.of_logits(logits, labels), stated["labels"])
    stated["splits"]["test"] = summary
    card = ModelCard(files["README.md"].decode())
    for result in card.data.eval_results or []:
        result.metric_value = summary[result.metric_type]["value"]
    changed = parquet(stored.assign(logits=list(logits)))
    return files | {
        name: changed,
        "evaluation/metrics.json": json.dumps(stated).encode(),
        "README.md": str(card).encode(),
    }


def test_an_honest_publication_is_identical(published: str, run: Run) -> None:
    found = verify(published)
    assert found["verdict"]["kind"] == "identical"
    assert (found["verdict"]["flips"], found["verdict"]["p_value"]) == (0, 1.0)
    assert found["verdict"]["max_probability_change"] == 0.0
    assert found["verdict"]["n"] == run.record.metrics["splits"]["test"]["n"]
    assert f"{found['repo']}@{found['commit']}" == published
    assert found["compared_with"] == "the predictions stored with the publication"
    assert all(each["sha256"] and not each["problem"] for each in found["files"])
    json.dumps(found, allow_nan=False)


def test_the_newest_commit_is_meant_where_none_is_named(published: str) -> None:
    assert verify(published.split("@")[0])["commit"] == published.split("@")[1]


def test_progress_goes_from_nothing_to_all(published: str) -> None:
    seen: list[float] = []
    verify(published, lambda share, doing: seen.append(share))
    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == (0.0, 1.0)


@pytest.fixture
def local(run: Run, no_runs: Path) -> Run:
    """A copy of the tiny run on this machine, published as a repo of its own."""
    ignored = shutil.ignore_patterns("verifications", "publications.jsonl")  # of other tests
    copy = Run(Path(shutil.copytree(run.path, no_runs / "tiny" / run.path.name, ignore=ignored)))
    publish(copy, f"demo/local-{next(NUMBERS)}")
    return copy


def name_of(run: Run) -> str:
    last = run.publications[-1]
    return f"{last['repo']}@{last['commit']}"


def test_a_run_that_is_here_is_compared_with_and_remembers(local: Run) -> None:
    found = verify(name_of(local))
    assert found["compared_with"] == local.name
    assert found["verdict"]["kind"] == "identical"
    assert [each["commit"] for each in local.verifications] == [found["commit"]]


def test_every_file_is_compared_by_hash_on_both_sides(local: Run) -> None:
    measured = {"config.json", "model.safetensors", "evaluation/metrics.json", "evaluation/predictions/test.parquet"}
    pairs = {each["path"]: (each["first"], each["second"]) for each in verdict_of(name_of(local))["files"]}
    assert measured <= set(pairs)
    assert all(ours == theirs is not None for ours, theirs in pairs.values())
    (local.path / "history.jsonl").write_text("")
    (local.path / "model" / "config.json").unlink()
    found = verdict_of(name_of(local))
    assert found["kind"] == "drift"
    changed = {each["path"]: each["first"] for each in found["files"] if each["first"] != each["second"]}
    assert changed == {"evaluation/history.jsonl": hashlib.sha256(b"").hexdigest(), "config.json": None}


def test_without_a_run_the_hashes_are_those_of_the_manifest(published: str) -> None:
    manifest = hub.fetch(*published.split("@")).manifest
    found = verdict_of(published)["files"]
    assert {each["path"]: each["first"] for each in found} == manifest
    assert all(each["first"] == each["second"] for each in found)


def swapped(logits: Logits, labels: npt.NDArray[np.int64]) -> Logits:
    """One decision the other way."""
    changed = logits.copy()
    changed[0] = logits[0, ::-1]
    return changed


def opposite(logits: Logits, labels: npt.NDArray[np.int64]) -> Logits:
    """Right where the model is wrong, or wrong where it is right: as many flips one way as can be had."""
    right = logits.argmax(1) == labels
    rows = right if right.sum() >= (~right).sum() else ~right
    return np.where(rows[:, None], logits[:, ::-1], logits)


KINDS: dict[str, Callable[[Logits, npt.NDArray[np.int64]], Logits]] = {
    "drift": lambda logits, labels: logits * 1.001,
    "decisions changed": swapped,
    "different": opposite,
}


@pytest.mark.parametrize("kind", KINDS)
def test_predictions_of_another_model_give_the_right_kind(files: Files, kind: str) -> None:
    assert verdict_of(forge(with_logits(files, KINDS[kind])))["kind"] == kind


@pytest.mark.parametrize("kind", KINDS)
def test_a_local_run_of_another_model_gives_the_right_kind(local: Run, kind: str) -> None:
    stored = local.record.predictions("test")
    other = KINDS[kind](stored.logits, stored.label).astype(np.float32)
    path = local.path / "predictions" / "test.parquet"
    pd.read_parquet(path).assign(logits=list(other)).to_parquet(path)
    found = verdict_of(name_of(local))
    assert found["kind"] == kind
    assert found["sentence"]


def test_other_weights_under_the_same_predictions_are_not_identical(files: Files) -> None:
    weights = {name: tensor.copy() for name, tensor in read_weights(files["model.safetensors"]).items()}
    weights["classifier.weight"] = -weights["classifier.weight"]
    found = verdict_of(forge(files | {"model.safetensors": to_weights(weights, metadata={"format": "pt"})}))
    assert found["kind"] in ("decisions changed", "different")
    assert found["flips"] > 0


def never_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder: Path) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr(predictor, "load", refuse)


@pytest.mark.parametrize(("key", "value"), [("accuracy", 0.99), ("f1_macro", None), ("loss", "0.1")])
def test_metrics_that_do_not_follow_from_the_predictions_are_named(
    files: Files, key: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    stated = json.loads(files["evaluation/metrics.json"])
    stated["splits"]["test"][key]["value"] = value
    never_loaded(monkeypatch)
    found = verdict_of(forge(files | {"evaluation/metrics.json": json.dumps(stated).encode()}))
    assert found["kind"] == "unverifiable"
    assert f"metrics.json does not follow from the stored predictions: {key}" in found["sentence"]


@pytest.mark.parametrize("key", ["n", "confusion", "per_class", "low"])
def test_whatever_the_pages_show_of_the_metrics_is_checked(files: Files, key: str) -> None:
    stated = json.loads(files["evaluation/metrics.json"])
    split = stated["splits"]["test"]
    match key:
        case "n":
            split["n"] += 1000
        case "confusion":
            split["confusion"] = [[16, 0], [0, 16]]
        case "per_class":
            split["per_class"][0]["recall"] = 0.99
        case "low":
            split["f1_macro"]["low"] = split["f1_macro"]["value"] - 1e-4
    found = verdict_of(forge(files | {"evaluation/metrics.json": json.dumps(stated).encode()}))
    assert found["kind"] == "unverifiable"
    assert "metrics.json does not follow from the stored predictions" in found["sentence"]


def test_a_card_that_states_other_figures_is_found_out(files: Files) -> None:
    stated = json.loads(files["evaluation/metrics.json"])["splits"]["test"]["accuracy"]["value"]
    card = files["README.md"].decode().replace(f"value: {stated}", "value: 0.99")
    assert card != files["README.md"].decode()
    found = verdict_of(forge(files | {"README.md": card.encode()}))
    assert found["kind"] == "unverifiable"
    assert "README.md" in found["sentence"]


def test_a_figure_that_is_off_by_a_rounding_is_accepted(files: Files) -> None:
    stated = json.loads(files["evaluation/metrics.json"])
    stated["splits"]["test"]["loss"]["value"] *= 1 + 1e-13
    assert verdict_of(forge(files | {"evaluation/metrics.json": json.dumps(stated).encode()}))["kind"] == "identical"


def without_texts(files: Files, data_file: str) -> Files:
    """The files as published where texts may not be, with the data set at `data_file`."""
    values = recipe.tomllib.loads(files["evaluation/recipe.toml"].decode())
    values["data"]["file"] = data_file
    kept = {name: content for name, content in files.items() if not name.startswith("evaluation/texts/")}
    return kept | {"evaluation/recipe.toml": tomli_w.dumps(values).encode()}


def test_texts_come_from_the_data_set_where_they_are_not_published(files: Files, tiny: Path) -> None:
    assert verdict_of(forge(without_texts(files, str(tiny.parent / "reviews.jsonl"))))["kind"] == "identical"


def test_without_texts_and_data_set_the_missing_file_is_named(files: Files) -> None:
    found = verdict_of(forge(without_texts(files, "gone/away.jsonl")))
    assert found["kind"] == "unverifiable"
    assert "gone/away.jsonl" in found["sentence"]


def test_other_texts_are_not_what_was_measured(files: Files, tiny: Path, tmp_path: Path) -> None:
    rows = (tiny.parent / "reviews.jsonl").read_text().replace("film", "movie")
    (tmp_path / "reviews.jsonl").write_text(rows)
    found = verdict_of(forge(without_texts(files, str(tmp_path / "reviews.jsonl"))))
    assert found["kind"] == "unverifiable"
    assert "are not those that were measured" in found["sentence"]


def test_a_repo_without_manifest_is_unverifiable(files: Files) -> None:
    commit = hub.publish("demo/forged-bare", {**files}, "No manifest")
    found = verdict_of(f"demo/forged-bare@{commit}")
    assert (found["kind"], "does not say what was published" in found["sentence"]) == ("unverifiable", True)


def test_a_damaged_manifest_is_unverifiable(files: Files) -> None:
    commit = hub.publish("demo/forged-manifest", {**files, MANIFEST: b"{"}, "Damaged manifest")
    found = verdict_of(f"demo/forged-manifest@{commit}")
    assert found["kind"] == "unverifiable"
    assert MANIFEST in found["sentence"]


def test_a_file_added_after_the_manifest_is_named(files: Files) -> None:
    repo = forge(files).split("@")[0]
    hub.api().upload_file(path_or_fileobj=b"x", path_in_repo="pytorch_model.bin", repo_id=repo)
    found = verdict_of(repo)
    assert found["kind"] == "unverifiable"
    assert "pytorch_model.bin: is on the Hub but not in the manifest" in found["sentence"]


def texts_of(files: Files) -> pd.DataFrame:
    return pd.read_parquet(io.BytesIO(files["evaluation/texts/test.parquet"]))


def stored_of(files: Files) -> pd.DataFrame:
    return pd.read_parquet(io.BytesIO(files["evaluation/predictions/test.parquet"]))


# Manifests fit all of these: whoever publishes can write one.
MALFORMED: dict[str, Callable[[Files], Files]] = {
    "metrics without splits": lambda files: {"evaluation/metrics.json": b'{"schema": 1}'},
    "metrics of another shape": lambda files: {
        "evaluation/metrics.json": b'{"schema": 1, "labels": ["negative", "positive"], "splits": {"test": []}}'
    },
    "metrics that are numbers": lambda files: {
        "evaluation/metrics.json": b'{"schema": 1, "labels": [], "splits": {"test": {"accuracy": 1}}}'
    },
    "metrics of schema 9": lambda files: {"evaluation/metrics.json": b'{"schema": 9}'},
    "a recipe without keys": lambda files: {"evaluation/recipe.toml": b"", "evaluation/texts/test.parquet": b""},
    "texts that are no table": lambda files: {"evaluation/texts/test.parquet": b"x"},
    "texts without a column": lambda files: {"evaluation/texts/test.parquet": parquet(texts_of(files)[["id"]])},
    "texts that stand twice": lambda files: {
        "evaluation/texts/test.parquet": parquet(pd.concat([texts_of(files), texts_of(files)]))
    },
    "texts that are missing": lambda files: {"evaluation/texts/test.parquet": parquet(texts_of(files).head(3))},
    "labels out of range": lambda files: {
        "evaluation/predictions/test.parquet": parquet(stored_of(files).assign(label=7))
    },
    "no predictions": lambda files: {"evaluation/predictions/test.parquet": parquet(stored_of(files).head(0))},
    "logits that are not numbers": lambda files: {
        "evaluation/predictions/test.parquet": parquet(
            stored_of(files).assign(logits=[np.full(2, np.nan, np.float32)] * len(stored_of(files)))
        )
    },
    "a config that is null": lambda files: {"config.json": b"null"},
    "other label names": lambda files: {"config.json": files["config.json"].replace(b'"0": "neg', b'"0": "NEG')},
    "no tokenizer": lambda files: {"tokenizer.json": b"{}"},
    "weights of nothing": lambda files: {"model.safetensors": to_weights({}, metadata={"format": "pt"})},
}


@pytest.mark.parametrize("name", MALFORMED)
def test_whatever_is_wrong_with_a_publication_is_a_verdict(files: Files, name: str) -> None:
    found = verdict_of(forge(files | MALFORMED[name](files)))
    assert found["kind"] == "unverifiable"
    assert found["sentence"]


def test_a_run_that_lost_its_model_can_still_be_compared(local: Run) -> None:
    shutil.rmtree(local.model)
    assert verdict_of(name_of(local))["kind"] in ("drift", "unverifiable")


@pytest.mark.parametrize("name", ["demo/nowhere", "no name at all", f"demo/tiny@{'0' * 40}"])
def test_what_cannot_be_had_at_all_is_an_error(published: str, name: str) -> None:
    with pytest.raises(NotOnHub):
        verify(name)


def test_verifying_uses_no_cache(published: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.fetch(*published.split("@"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(HubUnreachable):
        verify(published)


def test_the_split_is_read_in_the_order_of_the_predictions(files: Files, tiny: Path) -> None:
    shuffled = texts_of(files).sample(frac=1, random_state=1)
    assert verdict_of(forge(files | {"evaluation/texts/test.parquet": parquet(shuffled)}))["kind"] == "identical"
    assert list(data.load_splits(recipe.load(tiny))["test"]["id"]) == list(stored_of(files)["id"])


def test_nothing_is_left_behind(published: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    verify(published)
    assert [path for path in tmp_path.iterdir() if path.name.startswith("verdict-")] == []
    assert runs.every() == []
