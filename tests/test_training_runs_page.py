"""Training runs as Streamlit runs it: several runs beside each other, damaged ones, and one in progress."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core import live
from core.runs import Run
from tests.histories import history
from tests.test_pages import page, words
from tests.test_views import DAMAGE


@pytest.fixture(autouse=True)
def fresh_caches() -> Iterator[None]:
    yield
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture
def two(run: Run, no_runs: Path) -> list[Run]:
    """The run and a copy of it with another seed and more memory; the newest first."""
    found = [Run(no_runs / "tiny" / name) for name in ("20261121-120001-bbbb", "20261121-120000-aaaa")]
    for each in found:
        shutil.copytree(run.path, each.path)
    recipe = (found[0].path / "recipe.toml").read_text()
    (found[0].path / "recipe.toml").write_text(recipe.replace(f"seed = {run.record.recipe.seed}", "seed = 99", 1))
    environment = json.loads((found[0].path / "environment.json").read_text())
    environment["cost"]["peak_memory_bytes"] = 3 * 2**30
    (found[0].path / "environment.json").write_text(json.dumps(environment))
    return found


@pytest.fixture
def begun(run: Run, no_runs: Path) -> Run:
    """A run in its third epoch, beside a complete one."""
    shutil.copytree(run.path, no_runs / run.name)
    found = Run(no_runs / "tiny" / "20261121-130000-cccc")
    found.path.mkdir(parents=True)
    shutil.copy(run.path / "recipe.toml", found.path)
    for entry in history(2, 5):
        found.log(entry)
    return found


def offered(app: AppTest) -> list[str]:
    """The runs that can be put beside the first."""
    return list(app.button_group(key="compare").options)


def tables(app: AppTest) -> dict[str, Any]:
    """The page's tables by the name of their first column and the second's."""
    return {" ".join(each.value.columns[:2]): each.value for each in app.dataframe}


def test_runs_stand_beside_each_other(two: list[Run]) -> None:
    first, second = two
    app = page("Training_runs", model=first.name, compare=second.name)
    assert not app.exception
    assert app.button_group(key="compare").value == [second.name]
    assert offered(app)[0] == "tiny"  # what other tests published follows
    assert [each.label for each in app.metric] == ["Training time", "Tokens per second", "Peak memory"]
    assert app.metric[2].value == "3.00 GiB"
    recipes = tables(app)["Setting tiny bbbb"]
    assert recipes.to_numpy().tolist() == [["seed", "99", str(second.record.recipe.seed)]]
    costs = next(each.value for each in app.dataframe if "Peak memory" in list(each.value.iloc[:, 0]))
    assert list(costs.columns) == ["What", "tiny bbbb", "tiny aaaa"]
    assert "There is none." in words(app)  # the environments are the same


def test_choices_come_from_the_url_and_go_into_it(two: list[Run]) -> None:
    app = page("Training_runs", model=two[0].name, curve="Accuracy")
    assert app.button_group(key="curve").value == "Accuracy"
    app.button_group(key="compare").set_value([two[1].name]).run()
    assert app.query_params["compare"] in (two[1].name, [two[1].name])
    app.button_group(key="curve").set_value("F1 (macro)").run()
    assert app.query_params["curve"] == "F1 (macro)"
    app.button_group(key="compare").set_value([]).run()
    assert "compare" not in app.query_params
    assert not app.exception


def test_what_a_url_asks_for_and_is_not_there_is_passed_over(two: list[Run]) -> None:
    app = page("Training_runs", model=two[0].name, compare="no/such", curve="<b>", live="../../etc")
    assert not app.exception
    assert not app.error
    assert app.button_group(key="compare").value == []
    assert app.button_group(key="curve").value == "Loss"


@pytest.mark.parametrize("name", DAMAGE)
@pytest.mark.parametrize("place", [0, 1], ids=["chosen", "beside"])
def test_a_damaged_run_is_told_of_and_the_rest_is_shown(two: list[Run], name: str, place: int) -> None:
    DAMAGE[name](two[place].path)
    app = page("Training_runs", model=two[0].name, compare=two[1].name)
    assert not app.exception
    if "metrics" not in name:  # these are of another page
        assert len(app.error) == 1
    assert len(app.metric) == 3
    assert "tiny/20261121-120000-aaaa" in list(tables(app)["Run Test accuracy"]["Full name"])


def test_models_on_the_hub_are_compared_without_a_run(
    published: str, no_runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VERDICT_MODELS", published)
    app = page("Training_runs", model=published)
    assert not app.exception
    assert not [each for each in app.button_group if each.key == "compare"]  # there is no other
    assert app.metric[1].value != "–"


def test_a_run_in_progress_can_be_watched(begun: Run, run: Run) -> None:
    app = page("Training_runs", live=begun.name)
    assert not app.exception
    assert app.selectbox(key="live").value == begun.name
    assert begun.name not in app.selectbox(key="picker").options
    shown = {each.label: each.value for each in app.metric}
    assert shown == {"Training loss": "0.333", "Validation loss": "0.680", "Accuracy": "0.900", "F1 (macro)": "0.900"}
    assert not app.warning
    assert "tiny" in offered(app)


def test_a_run_that_seems_to_have_stopped_can_be_resumed(begun: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "QUIET", -1.0)
    app = page("Training_runs", live=begun.name)
    assert f"python -m train fit --resume {begun.name}" in app.warning[0].value


def test_a_run_that_was_watched_is_shown_like_any_other_once_it_is_complete(begun: Run, run: Run) -> None:
    app = page("Training_runs", live=begun.name)
    for path in ("metrics.json", "environment.json", "data.json"):
        shutil.copy(run.path / path, begun.path)
    app.run()
    assert not app.exception
    assert app.selectbox(key="picker").value == begun.name
    assert "live" not in app.query_params
    assert app.metric[0].label == "Training time"


def test_a_first_run_can_be_watched_before_there_is_any_model(begun: Run, run: Run) -> None:
    shutil.rmtree(begun.path.parent / run.path.name)
    app = page("Training_runs")
    assert "make demo" in words(app)
    app.selectbox(key="live").select(begun.name).run()
    assert app.query_params["live"] == begun.name
    assert app.metric[0].label == "Training loss"


def test_a_damaged_run_in_progress_is_named(begun: Run) -> None:
    (begun.path / "history.jsonl").write_text("{}\n")
    app = page("Training_runs", live=begun.name)
    assert not app.exception
    assert "is damaged" in app.error[0].value
