"""The Evaluation page: what is chosen on it moves everything that follows, and is in the URL."""

import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core import calibration, examples, metrics, threshold, ui
from core import recipe as recipes
from core.errors import HubUnreachable
from core.files import PROJECT
from core.runs import Record, Run
from tests import tiny as maker
from train.fit import fit


@pytest.fixture(autouse=True)
def fresh_caches(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Streamlit's caches outlive a session, so they would leak from test to test."""
    # Every AppTest looks through all installed packages for components, which takes longer than the page.
    monkeypatch.setattr("streamlit.components.v2.manifest_scanner.scan_component_manifests", list)
    yield
    st.cache_data.clear()
    st.cache_resource.clear()


def page(run: Run, **query: str) -> AppTest:
    """The page after its first run, with query parameters."""
    app = AppTest.from_file(str(PROJECT / "pages" / "Evaluation.py"), default_timeout=60)
    for key, value in {"model": run.name, **query}.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception
    assert not app.error
    return app


def words(app: AppTest) -> str:
    """The texts and captions of the page."""
    return "\n".join(str(part.value) for part in [*app.markdown, *app.caption, *app.info])


def listed(app: AppTest) -> str:
    """What is said of the list of examples."""
    return next(each.value for each in app.caption if " example" in each.value or " mistake" in each.value)


def matrix(app: AppTest) -> dict[tuple[str, str], int]:
    """The counts that the confusion matrix draws, by true and decided label."""
    for dataset in app.get("vega_lite_chart")[0].proto.datasets:
        frame = pa.ipc.open_stream(io.BytesIO(dataset.data.data)).read_pandas()
        if "shown" in frame:
            return frame.set_index(["true", "decided"])["count"].to_dict()
    raise AssertionError("there is no matrix")


def decisions(run: Run, at: float) -> tuple[np.ndarray, np.ndarray]:
    """The test split's true labels, and those that are decided at a threshold."""
    found = run.record.predictions("test")
    return found.label, threshold.decide(found, calibration.of_record(run.record), at)


def test_it_opens_on_the_most_confident_mistakes(run: Run) -> None:
    app = page(run)
    true, decided = decisions(run, 0.5)
    assert listed(app).startswith(f"{(true != decided).sum()} mistake")
    assert len([button for button in app.button if button.label == "Open in Classify"]) == min(
        10, (true != decided).sum()
    )
    assert "threshold" not in words(app)


@pytest.mark.parametrize("at", [0.2, 0.8])
def test_a_threshold_moves_cards_matrix_examples_labels_and_slices(run: Run, at: float) -> None:
    app = page(run, mistakes="off", decided="positive")
    true, decided = decisions(run, at)
    app.slider(key="threshold").set_value(at).run()
    assert not app.exception
    assert app.query_params["threshold"] == str(at)
    assert app.metric[0].value == f"{(true == decided).mean():.3f}"
    assert f"at a threshold of {at}; the published scores are at 0.5" in words(app)
    assert matrix(app)["negative", "positive"] == ((true == 0) & (decided == 1)).sum()
    examples = "example" if decided.sum() == 1 else "examples"
    assert listed(app).startswith(f"{decided.sum()} {examples} where positive was decided")
    app = page(run, threshold=str(at), look="By label")
    recall = dict(zip(app.dataframe[-1].value["Label"], app.dataframe[-1].value["Recall"], strict=True))
    assert float(recall["positive"]) == pytest.approx(decided[true == 1].mean(), abs=0.001)
    app = page(run, threshold=str(at), look="Slices")
    shown = app.dataframe[-1].value.set_index("Slice")
    kinds = run.record.slices("test")
    books = (kinds["kind"] == "book").to_numpy()
    assert float(shown.loc["kind: book", "Accuracy"]) == pytest.approx((true == decided)[books].mean(), abs=0.001)


def test_a_link_with_a_threshold_shows_the_same(run: Run) -> None:
    app = page(run)
    app.slider(key="threshold").set_value(0.85).run()
    again = page(run, threshold="0.85")
    assert matrix(again) == matrix(app) != matrix(page(run))


def test_the_best_threshold_is_validations_and_one_click_away(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threshold, "GRID", np.array([0.3, 0.5, 0.7]))
    monkeypatch.setattr(
        threshold,
        "best",
        lambda found, temperature: [threshold.Best("accuracy", 0.3, len(found) / 100, 0.1)],
    )
    for split in ("test", "validation"):
        app = page(run, look="Threshold", split=split)
        assert (
            f"highest on validation at a threshold of **0.3**: {len(run.record.predictions('validation')) / 100:.3f}"
            in words(app)
        )
    app.button(key="use-accuracy").click().run()
    assert app.slider(key="threshold").value == 0.3
    assert app.button(key="use-accuracy").disabled


@pytest.mark.parametrize(
    "made_up",
    [
        {"threshold": "nan"}, {"threshold": "7"}, {"threshold": "<b>"}, {"page": "0"}, {"page": "999999999999"},
        {"page": "-1e400"}, {"true": "=1+1"}, {"slice": "x\0"}, {"look": "Nowhere"}, {"split": "train"},
        {"cells": "é"}, {"mistakes": "perhaps"},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_made_up_in_an_address_counts_as_not_chosen(run: Run, made_up: dict[str, str]) -> None:
    assert words(page(run, **made_up)) == words(page(run))


def test_one_box_alone_lists_a_row_or_a_column(run: Run) -> None:
    true, decided = decisions(run, 0.5)
    app = page(run, true="negative")
    assert listed(app).startswith(f"{((true == 0) & (decided != 0)).sum()} mistake")
    app.toggle(key="mistakes").set_value(False).run()
    assert listed(app).startswith(f"{(true == 0).sum()} examples where the true label is negative")
    app.selectbox(key="decided").set_value("negative").run()
    assert listed(app).startswith(f"{((true == 0) & (decided == 0)).sum()} example")
    assert app.toggle(key="mistakes").disabled


def test_a_slice_filters_the_examples(run: Run) -> None:
    kinds, (true, decided) = run.record.slices("test"), decisions(run, 0.5)
    app = page(run, mistakes="off")
    app.selectbox(key="slice").set_value("kind: film").run()
    assert listed(app).startswith(f"{(kinds['kind'] == 'film').sum()} examples among “kind\\: film”")
    app.toggle(key="mistakes").set_value(True).run()
    films = (kinds["kind"] == "film").to_numpy()
    assert listed(app).startswith(f"{(films & (true != decided)).sum()} mistake")


def test_a_long_list_is_paged_and_another_one_begins_anew(run: Run) -> None:
    app = page(run, mistakes="off", page="2")
    n = len(run.record.predictions("test"))
    second = [each.key for each in app.button if each.label == "Open in Classify"]
    assert len(second) == min(10, n - 10)
    first = [each.key for each in page(run, mistakes="off").button if each.label == "Open in Classify"]
    assert not set(first) & set(second)
    app.selectbox(key="true").set_value("positive").run()
    assert app.get("pagination")[0].value == 1
    assert "page" not in app.query_params


def test_an_example_is_opened_in_classify_and_not_by_the_url(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("streamlit.switch_page", opened.append)
    app = page(run, mistakes="off")
    text = next(each.value for each in app.markdown)
    next(each for each in app.button if each.label == "Open in Classify").click().run()
    assert opened == ["pages/Classify.py"]
    assert app.session_state["text"] == text
    assert app.session_state["pair"] == ""
    assert text not in str(app.query_params)


@pytest.mark.parametrize("look", ["By label", "Slices", "Confidence", "Coverage", "Threshold"])
def test_every_section_opens_by_its_link_and_its_tables_can_be_downloaded(run: Run, look: str) -> None:
    app = page(run, look=look)
    assert not [each for each in app.button if each.label == "Open in Classify"]
    assert len(app.get("download_button")) >= (2 if look == "Threshold" else 3)
    assert len(app.get("vega_lite_chart")) >= 2


def test_a_run_of_before_there_were_slices_offers_those_that_need_no_file(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = Run(Path(shutil.copytree(run.path, tmp_path / run.name)))
    shutil.rmtree(copy.path / "slices")
    monkeypatch.setenv("VERDICT_RUNS", str(tmp_path))
    options = page(copy).selectbox(key="slice").options
    assert options
    assert not [option for option in options if "kind" in option or "another label" in option]


def test_what_is_downloaded_is_all_of_it_and_no_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    made = {}
    monkeypatch.setattr("streamlit.download_button", lambda label, content, **how: made.update(how, content=content))
    table = pd.DataFrame({"text": ["=1+1", "ü 🎬", "a,b"] * 50, "value": [0.123456789] * 150})
    ui.offer(lambda: table, "it")
    stored = made["content"]().decode()
    assert made["file_name"] == "it.csv"
    assert stored.count("\n") == 151
    assert "'=1+1,0.123456789\n" in stored
    assert '"a,b",0.1' in stored


def test_a_table_is_made_when_it_is_asked_for(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    table = examples.table
    monkeypatch.setattr(
        examples, "table", lambda of, chosen, texts: made.append(len(chosen)) or table(of, chosen, texts)
    )
    page(run, mistakes="off")
    assert made == [10]


def test_all_sessions_share_one_evaluation(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    predictions = Record.predictions
    monkeypatch.setattr(Record, "predictions", lambda self, split: read.append(split) or predictions(self, split))
    for at in ("0.5", "0.3", "0.3"):
        page(run, threshold=at)
    assert read == ["test"]
    assert ui.load_evaluation(run.name, "test", 0.3) is ui.load_evaluation(run.name, "test", 0.3)
    assert ui.load_evaluation(run.name, "test", 0.3).slices is ui.load_evaluation(run.name, "test", 0.5).slices


def test_scores_that_were_published_are_shown_without_predictions(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = Run(Path(shutil.copytree(run.path, tmp_path / run.name)))
    (copy.path / "predictions" / "test.parquet").unlink()
    monkeypatch.setenv("VERDICT_RUNS", str(tmp_path))
    app = AppTest.from_file(str(PROJECT / "pages" / "Evaluation.py"), default_timeout=60)
    app.query_params["model"] = copy.name
    app.run()
    assert "is missing" in app.error[0].value
    assert app.metric
    assert matrix(app)


def test_texts_of_a_hub_that_does_not_answer_are_told_to_be_absent(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*what: object) -> None:
        raise HubUnreachable("nobody there")

    monkeypatch.setattr("core.texts.of_record", silent)
    app = page(run, mistakes="off")
    assert "The text is not published" in words(app)
    assert not [each for each in app.button if each.label == "Open in Classify"]


@pytest.fixture(scope="module")
def three(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A run of four labels, hardly trained."""
    folder = tmp_path_factory.mktemp("four")
    rows = pd.read_json(tiny.parent / "reviews.jsonl", lines=True)
    rows["label"] = [f"label {n % 4}" for n in range(len(rows))]
    rows.to_json(folder / "reviews.jsonl", orient="records", lines=True)
    values = maker.values(tiny.parent)
    values |= {
        "name": "four",
        "labels": [f"label {n}" for n in range(4)],
        "data": {"file": str(folder / "reviews.jsonl")},
    }
    values["training"] = {**values["training"], "epochs": 1}  # type: ignore[dict-item]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "RESAMPLES", 5)
        yield fit(recipes.parse(values, "four"))


def test_more_labels_have_no_threshold_but_an_order(three: Run) -> None:
    app = page(three, threshold="0.9", order="Similar together", cells="Of the decided label")
    assert not app.slider
    assert len(matrix(app)) == 16
    assert app.metric[0].value == f"{three.record.metrics['splits']['test']['accuracy']['value']:.3f}"
    assert "Threshold" not in [tab.label for tab in app.tabs]
