"""Local vs Hub as Streamlit runs it: the verdict, the flipped examples, the files, the revisions."""

import dataclasses
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core import flips, metrics, texts, verdict
from core.runs import Run
from tests.test_pages import page, words
from train.publish import publish

COMMIT = "c" * 40


@pytest.fixture(autouse=True)
def fresh_caches(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(metrics, "RESAMPLES", 20)
    yield
    st.cache_data.clear()
    st.cache_resource.clear()


def verified(run: Run, no_runs: Path, flipped: int, files: list[dict[str, Any]] | None = None, **more: Any) -> Run:
    """A copy of the run with a verification that found so many decisions flipped."""
    ours = run.record.predictions("test")
    logits = ours.logits.copy()
    logits[:flipped] = logits[:flipped, ::-1]
    found = verdict.compare(ours, dataclasses.replace(ours, logits=logits), run.record.labels, run.record.labels)
    copy = Run(Path(shutil.copytree(run.path, no_runs / "tiny" / "verified")))
    (copy.path / "publications.jsonl").unlink(missing_ok=True)
    shutil.rmtree(copy.path / "verifications", ignore_errors=True)
    copy.add_publication("demo/stored", COMMIT)
    copy.add_verification(
        {
            "repo": "demo/stored", "commit": COMMIT, "when": "2026-11-21T06:52:09+00:00", "compared_with": copy.name,
            "verdict": found.to_json() | more, "files": files or [{"path": "a", "sha256": "b", "problem": ""}],
        }
    )  # fmt: skip
    return copy


def tables(app: AppTest) -> list[list[str]]:
    return [list(each.value.columns) for each in app.dataframe]


def test_the_flipped_examples_can_be_read_with_what_both_sides_say(run: Run, no_runs: Path) -> None:
    copy = verified(run, no_runs, flipped=4)
    app = page("Local_vs_Hub", model=copy.name)
    assert not app.exception
    said = words(app)
    assert "**Decisions changed.**" in said or "**Different.**" in said
    ours, shown = run.record.predictions("test"), texts.of_record(run.record, "test")
    for row in range(4):
        assert shown.loc[ours.id[row], "text"] in said
        first, second = (run.record.labels[index] for index in (ours.decisions[row], 1 - ours.decisions[row]))
        assert f"Local: {first}" in said
        assert f"Hub: {second}" in said
    assert "4 flipped examples." in said
    assert app.header[0].value == "Decisions that changed"


def test_a_kind_of_flip_is_chosen_by_the_url_or_in_the_box(run: Run, no_runs: Path) -> None:
    copy = verified(run, no_runs, flipped=8)
    kinds = flips.matrix(copy.verifications[0]["verdict"])
    kind, n = kinds["flip"][0], kinds["n"][0]
    app = page("Local_vs_Hub", model=copy.name, flip=kind)
    assert app.selectbox(key="flip").value == kind
    assert f"{n} flipped example" in words(app)
    assert set(app.selectbox(key="flip").options) == set(kinds["flip"])
    app.selectbox(key="flip").select(kinds["flip"].iloc[-1]).run()
    assert app.query_params["flip"] == kinds["flip"].iloc[-1]
    app.selectbox(key="flip").set_value(None).run()
    assert "flip" not in app.query_params
    assert "8 flipped examples" in words(app)


def test_more_examples_are_listed_step_by_step(run: Run, no_runs: Path) -> None:
    app = page("Local_vs_Hub", model=verified(run, no_runs, flipped=8).name)
    assert f"the {flips.STEP} of which" in words(app)
    app.button(key="more").click().run()
    assert "8 flipped examples." in words(app)
    assert not [each for each in app.button if each.key == "more"]


def test_texts_that_cannot_be_had_are_said_so(run: Run, no_runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = verified(run, no_runs, flipped=2)
    recipe = (copy.path / "recipe.toml").read_text()
    (copy.path / "recipe.toml").write_text(recipe.replace("reviews.jsonl", "gone.jsonl"))
    said = words(page("Local_vs_Hub", model=copy.name))
    assert "The text is not published" in said
    assert "2 flipped examples." in said


def test_a_verification_of_before_examples_were_kept_says_what_to_do(run: Run, no_runs: Path) -> None:
    copy = verified(run, no_runs, flipped=2)
    found = copy.verifications[0]
    del found["verdict"]["flipped_examples"]
    copy.add_verification(found)
    app = page("Local_vs_Hub", model=copy.name)
    assert not app.exception
    assert "verify again" in words(app)


def test_an_identical_model_has_no_flips_and_its_files_are_folded_away(run: Run, no_runs: Path) -> None:
    app = page("Local_vs_Hub", model=verified(run, no_runs, flipped=0).name)
    assert not app.exception
    assert "Decisions that changed" not in words(app)
    assert "All 1 files are as published." in words(app)
    assert [each.label for each in app.expander] == ["All files, with their hashes"]
    assert tables(app).count(["File", "State", "As measured", "SHA-256"]) == 1


def test_the_longest_metric_is_read_whole_and_stays_in_sight_on_a_phone(run: Run, no_runs: Path) -> None:
    app = page("Local_vs_Hub", model=verified(run, no_runs, flipped=0).name)
    longest = max(app.dataframe[0].value["Metric"], key=len)
    column = json.loads(app.dataframe[0].proto.columns)["Metric"]
    assert column["pinned"]
    # A letter takes about 6 pixels; what is wider than 60% of a table, Streamlit lets out of sight.
    assert 6 * len(longest) + 16 <= column["width"] <= 0.6 * 358


def test_a_file_with_a_problem_is_listed_before_all_are(run: Run, no_runs: Path) -> None:
    files = [{"path": f"{n}.json", "sha256": "b", "problem": ""} for n in range(22)]
    files += [{"path": "z.json", "sha256": "b", "problem": "differs from the manifest"}]
    app = page("Local_vs_Hub", model=verified(run, no_runs, flipped=0, files=files).name)
    assert "1 of 23 files is not as published." in words(app)
    shown = [each.value for each in app.dataframe if "SHA-256" in each.value.columns]
    assert list(shown[0]["File"]) == ["z.json"]
    assert len(shown[1]) == 23


def test_the_newest_revisions_are_listed(run: Run, no_runs: Path) -> None:
    copy = Run(Path(shutil.copytree(run.path, no_runs / "tiny" / "listed")))
    (copy.path / "publications.jsonl").unlink(missing_ok=True)
    published = publish(copy, "demo/listed")
    app = page("Local_vs_Hub", model=copy.name)
    assert not app.exception
    shown = next(each.value for each in app.dataframe if "Commit" in each.value.columns)
    assert published[:7] in list(shown["Commit"])
    assert "All revisions" in app.button[-1].label


def test_without_the_hub_the_verdict_is_shown_all_the_same(
    run: Run, no_runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = verified(run, no_runs, flipped=2)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    app = page("Local_vs_Hub", model=copy.name)
    assert not app.exception
    assert "2 flipped examples." in words(app)
    assert len(app.error) == 1


def test_the_publication_is_chosen_by_the_url(published: str, run: Run, no_runs: Path) -> None:
    copy = verified(run, no_runs, flipped=2)
    copy.add_publication(*published.split("@"))
    app = page("Local_vs_Hub", model=copy.name, publication=f"demo/stored@{COMMIT}")
    assert app.selectbox(key="publication").value == f"demo/stored@{COMMIT}"
    assert "2 flipped examples." in words(app)
    app.selectbox(key="publication").select(published).run()
    assert app.query_params["publication"] == published
    assert "Not verified on this machine yet" in words(app)


def test_both_confidences_are_those_of_the_sides(run: Run, no_runs: Path) -> None:
    copy = verified(run, no_runs, flipped=1)
    (example,) = copy.verifications[0]["verdict"]["flipped_examples"]
    ours = run.record.predictions("test")
    assert example["id"] == ours.id[0]
    assert example["first_confidence"] == pytest.approx(np.max(ours.probabilities[0]))
