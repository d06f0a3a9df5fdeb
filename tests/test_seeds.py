"""Several seeds of one recipe: runs of their own on the same splits, and how much their scores scatter."""

import statistics
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from core import metrics, runs
from core import recipe as recipes
from core.errors import RecipeError
from core.wording import figure
from tests.test_results import finish
from train import __main__ as cli
from train import seeds

SHORT = ["training.epochs=1", "data.limit=24"]


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "RESAMPLES", 5)


def test_each_seed_is_a_run_of_its_own_on_the_same_splits(tiny: Path, no_runs: Path) -> None:
    one, other = found = seeds.fit_seeds(recipes.load(tiny, SHORT), 2)
    assert [run.record.recipe.seed for run in found] == [42, 43]
    assert {run.name for run in runs.every() if run.complete} == {one.name, other.name}
    assert recipes.differences(one.record.recipe, other.record.recipe) == {"seed": (42, 43)}
    assert one.record.data["splits"] == other.record.data["splits"]
    assert not np.array_equal(one.record.predictions().logits, other.record.predictions().logits)


def test_a_seed_that_is_too_large_is_told_before_training(tiny: Path, no_runs: Path) -> None:
    with pytest.raises(RecipeError, match=r"seed 4294967296(?s:.*)seed: must be less than"):
        seeds.fit_seeds(recipes.load(tiny, ["seed=4294967295"]), 2)
    assert runs.every() == []


def test_the_table_has_each_run_their_mean_and_their_deviation(tiny: Path, no_runs: Path) -> None:
    found = [finish(tiny, seed) for seed in (7, 8, 9)]
    shown = seeds.table(found)
    assert list(shown.columns) == ["Run", "Seed", "Accuracy", "F1 (macro)", "Loss"]
    assert list(shown["Run"]) == [*(run.name for run in found), "Mean", "Standard deviation"]
    assert list(shown["Seed"]) == ["7", "8", "9", "", ""]
    for name, title in (("accuracy", "Accuracy"), ("f1_macro", "F1 (macro)"), ("loss", "Loss")):
        values = [run.record.metrics["splits"]["test"][name]["value"] for run in found]
        expected = [*values, statistics.mean(values), statistics.stdev(values)]
        assert list(shown[title]) == [figure(value) for value in expected]


def test_one_run_has_no_deviation(tiny: Path, no_runs: Path) -> None:
    assert list(seeds.table([finish(tiny)])["Accuracy"])[-1] == "–"


def test_the_command_trains_so_many_and_prints_the_table(tiny: Path, no_runs: Path) -> None:
    words = ["fit", str(tiny), "--seeds", "2", *(word for change in SHORT for word in ("--set", change))]
    found = CliRunner().invoke(cli.app, words, catch_exceptions=False)
    assert found.exit_code == 0
    trained = runs.every()
    assert len(trained) == 2
    assert all(run.name in found.output for run in trained)
    assert "Standard deviation" in found.output


def test_an_interrupted_run_is_not_resumed_with_several_seeds(no_runs: Path) -> None:
    found = CliRunner().invoke(cli.app, ["fit", "--resume", "tiny/1", "--seeds", "2"])
    assert found.exit_code == 2
    assert "takes no other" in found.output
