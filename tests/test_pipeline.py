"""The whole way: recipe -> run -> publication -> verification -> app, and what happens when a byte is wrong."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import streamlit as st
from sklearn.metrics import accuracy_score, f1_score
from streamlit.testing.v1 import AppTest

from core import hub, predictor, reading, verify, wording
from core.files import PROJECT
from core.runs import Run
from core.verdict import Kind

TEXTS = ["a lovely film", "the plot was dull and stale", "i found it very tender", "the and was"]

PIPELINE = """
import json, sys
from transformers import pipeline
name, commit = sys.argv[1].split("@")
classify = pipeline("text-classification", model=name, revision=commit)
print(json.dumps(classify(json.loads(sys.argv[2]), top_k=None)))
"""


def test_a_publication_verifies_as_identical(run: Run, published: str) -> None:
    steps: list[float] = []
    found = verify.verify(published, lambda share, doing: steps.append(share))
    assert found["verdict"]["kind"] == Kind.IDENTICAL
    assert found["verdict"]["n"] == 32
    assert found["compared_with"] == run.name
    assert steps == sorted(steps)
    assert steps[-1] == 1.0
    assert found in run.verifications


def test_it_verifies_where_there_is_no_run(published: str, no_runs: Path) -> None:
    found = verify.verify(published)
    assert found["verdict"]["kind"] == Kind.IDENTICAL
    assert "stored with the publication" in found["compared_with"]


def test_another_process_without_our_code_gets_the_same_scores(run: Run, published: str, tmp_path: Path) -> None:
    """The real `pipeline`, by name and commit, in an empty folder and with a cache of its own."""
    environment = os.environ | {"HF_HOME": str(tmp_path / "hf"), "PYTHONPATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", PIPELINE, published, json.dumps(TEXTS)],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    model = predictor.load(run.model)
    for text, theirs in zip(TEXTS, json.loads(done.stdout), strict=True):
        ours = dict(zip(model.labels, reading.read(model, text).probabilities, strict=True))
        assert theirs[0]["label"] == max(ours, key=lambda label: ours[label])
        assert all(abs(ours[each["label"]] - each["score"]) < 1e-4 for each in theirs)


@pytest.fixture(scope="module")
def loop_published(tiny: Path) -> str:
    """A publication of the loop engine: `demo/loop@commit`."""
    from core import recipe
    from train.fit import fit
    from train.publish import publish

    return f"demo/loop@{publish(fit(recipe.load(tiny, ['engine=loop', 'name=tiny-loop'])), 'demo/loop')}"


def test_a_loop_model_verifies_as_identical(loop_published: str, no_runs: Path) -> None:
    assert verify.verify(loop_published)["verdict"]["kind"] == Kind.IDENTICAL


def test_a_loop_model_is_used_in_the_app(loop_published: str, no_runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERDICT_MODELS", loop_published)
    app = AppTest.from_file(str(PROJECT / "pages" / "Classify.py"), default_timeout=60).run()
    app.text_area(key="text").input("a lovely film").run()
    assert not app.exception
    assert not app.error
    assert app.header[0].value in (
        "negative",
        "positive",
        "Not sure: positive or negative",
        "Not sure: negative or positive",
    )


def test_another_process_reads_a_loop_model_with_the_cards_own_lines(loop_published: str, tmp_path: Path) -> None:
    repo, commit = hub.split_name(loop_published)
    card = (hub.fetch(repo, str(commit)).folder / "README.md").read_text(encoding="utf-8")
    lines = re.search(r"```python\n(.*?)```", card, re.DOTALL)
    assert lines
    assert "import core.cls_head" in lines[1]
    script = (
        lines[1].replace("<commit>", str(commit))
        + "\nimport json; print(json.dumps(classify(['a lovely film'], top_k=None)))"
    )
    environment = os.environ | {"HF_HOME": str(tmp_path / "hf"), "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    theirs = {each["label"]: each["score"] for each in json.loads(done.stdout)[0]}
    model = predictor.load(hub.fetch(repo, str(commit)).folder)
    ours = dict(zip(model.labels, reading.read(model, "a lovely film").probabilities, strict=True))
    assert theirs == pytest.approx(ours, abs=1e-4)


def test_the_goodreads_recipe_trains_over_a_bad_connection(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from core import recipe, transfer
    from tests import bookshelf
    from train.fit import fit

    monkeypatch.setattr(transfer, "FIRST_WAIT", 0.001)
    with bookshelf.serving() as shelf:
        for genre in bookshelf.GENRES:
            shelf.put(genre, bookshelf.lines(genre, 60))
            shelf.faults[f"/{genre}.json.gz"] = [bookshelf.Fault(status=503), bookshelf.Fault(cut=2000)]
        small = [f"encoder={tiny.parent / 'encoder'}", f"data.url={shelf.url}", "data.sample=40"]
        small += ["training.max_tokens=32", "training.epochs=1"]
        run = fit(recipe.load(PROJECT / "train/recipes/goodreads.toml", small))
    assert run.record.labels == bookshelf.GENRES
    assert [run.record.data["splits"][name]["rows"] for name in ("train", "validation", "test")] == [224, 32, 64]
    assert set(run.record.data["origins"]) == set(bookshelf.GENRES)


def test_the_evaluation_page_shows_what_the_predictions_say(run: Run) -> None:
    """Recomputed from the parquet file with pandas and scikit-learn alone."""
    stored = pd.read_parquet(run.path / "predictions" / "test.parquet")
    decided = np.stack(stored["logits"].to_list()).argmax(axis=1)
    app = AppTest.from_file(str(PROJECT / "pages" / "Evaluation.py"), default_timeout=60)
    app.query_params["model"] = run.name
    app.query_params["look"] = "By label"
    app.run()
    shown = {metric.label: metric.value for metric in app.metric}
    assert shown["Accuracy"] == wording.figure(accuracy_score(stored["label"], decided))
    assert shown["F1 (macro)"] == wording.figure(f1_score(stored["label"], decided, average="macro"))
    by_label = app.dataframe[-1].value
    f1 = f1_score(stored["label"], decided, average=None)
    assert list(by_label["F1"]) == [wording.figure(value) for value in f1]


@pytest.fixture
def flipped(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """A publication whose weights on the Hub have one wrong byte; nothing of it is in a cache."""
    from train.publish import publish

    name = f"demo/flipped@{publish(run, 'demo/flipped')}"
    listed = hub.listing(*name.split("@"))["model.safetensors"]
    assert listed.lfs
    [blob] = (Path(os.environ["VERDICT_TEST_HUB"]) / "models/demo/flipped").rglob(listed.lfs.sha256)
    whole = blob.read_bytes()
    blob.chmod(0o644)
    blob.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    yield name
    blob.write_bytes(whole)


def test_verify_names_a_file_with_one_wrong_byte(flipped: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "train", "verify", flipped], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert re.search(r"model\.safetensors: differs from the Hub's listing", done.stdout.replace("\n", " "))


def test_the_app_refuses_a_model_with_one_wrong_byte(
    flipped: str, no_runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    st.cache_resource.clear()
    monkeypatch.setenv("VERDICT_MODELS", flipped)
    app = AppTest.from_file(str(PROJECT / "pages" / "Classify.py"), default_timeout=60).run()
    app.text_area(key="text").input("a lovely film").run()
    assert not app.exception
    message = app.error[0].value.replace("\\", "")
    assert "was not loaded" in message
    assert "model.safetensors" in message
    assert not app.header
