"""How runs were made, and what differs between them."""

import json
import platform
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from core import making, recipe
from core.errors import RunError
from core.making import Made
from core.runs import Record, Run


def changed(run: Run, folder: Path, **changes: Any) -> Record:
    """A copy of the run's record with other values in environment.json."""
    copy = Path(shutil.copytree(run.path, folder / "tiny" / "changed"))
    found = json.loads((copy / "environment.json").read_text())
    (copy / "environment.json").write_text(json.dumps(found | changes))
    return Record(copy)


@pytest.fixture(scope="module")
def made(run: Run) -> Made:
    return making.read(run.record, run.name)


def test_a_run_says_what_it_was_made_with(run: Run, made: Made) -> None:
    shown = making.tables(made)
    assert list(shown) == ["Cost", "Recipe", "Environment", "Data and audit"]
    environment = dict(shown["Environment"].itertuples(index=False, name=None))
    assert environment["Python"] == platform.python_version()
    assert environment["torch"] == torch.__version__
    assert environment["Encoder, SHA-256"] == run.record.environment["encoder_sha256"]
    cost = dict(shown["Cost"].itertuples(index=False, name=None))
    assert set(making.CARDS) <= set(cost)
    assert cost["Tokens per second"] == f"{run.record.environment['cost']['tokens_per_second']:,.0f}"
    assert {"Training: time", "Training: peak memory", "Prediction: time", "Prediction: peak memory"} <= set(cost)
    assert len(shown["Recipe"]) == len(recipe.flat(run.record.recipe))


def test_a_run_alone_differs_in_nothing(made: Made) -> None:
    assert making.differences({"a": made}) == {}


def test_equal_runs_differ_in_nothing_and_cost_is_shown(made: Made) -> None:
    recipes, environments, costs = making.differences({"a": made, "b": made}).values()
    assert recipes.empty
    assert environments.empty
    assert list(costs.columns) == ["What", "a", "b"]
    assert list(costs["a"]) == list(costs["b"]) == list(made.cost.values())


def test_only_settings_that_differ_are_listed_in_the_recipes_order(run: Run, made: Made) -> None:
    training = made.recipe.training.model_copy(update={"epochs": 3, "learning_rate": 0.1})
    others = [
        Made(made.recipe.model_copy(update=update), made.points, made.environment, made.cost, made.data)
        for update in ({"training": training}, {"seed": 7})
    ]
    recipes = making.differences({"a": made, "b": others[0], "c": others[1]})["Differences in the recipes"]
    first = made.recipe
    rows = {
        "seed": [str(first.seed), str(first.seed), "7"],
        "training.epochs": [str(first.training.epochs), "3", str(first.training.epochs)],
        "training.learning_rate": [str(first.training.learning_rate), "0.1", str(first.training.learning_rate)],
    }
    assert {row[0]: list(row[1:]) for row in recipes.itertuples(index=False)} == rows
    flat = list(recipe.flat(first))
    assert list(recipes["Setting"]) == sorted(rows, key=flat.index)


def test_only_parts_of_the_environment_that_differ_are_listed(run: Run, made: Made, tmp_path: Path) -> None:
    packages = run.record.environment["packages"] | {"numpy": "1.0"}
    other = making.read(changed(run, tmp_path, packages=packages, threads=99), "other")
    shown = making.differences({"a": made, "b": other})["Differences in the environments"]
    assert {row.What: row.b for row in shown.itertuples()} == {"Threads": "99", "numpy": "1.0"}


def test_a_run_of_before_phases_were_measured_has_a_dash(run: Run, made: Made, tmp_path: Path) -> None:
    cost = {key: value for key, value in run.record.environment["cost"].items() if key != "phases"}
    old = making.read(changed(run, tmp_path, cost=cost), "old")
    costs = making.differences({"a": made, "b": old})["Costs"].set_index("What")
    assert costs.loc["Prediction: time", "b"] == "–"
    assert costs.loc["Peak memory", "b"] != "–"


def put(name: str, content: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(content)


DAMAGE = {
    "no environment": lambda folder: (folder / "environment.json").unlink(),
    "an environment of nothing": put("environment.json", "{}"),
    "no cost": put("environment.json", '{"cost": null}'),
    "a history of lists": put("history.jsonl", "[]\n"),
    "a history without kinds": put("history.jsonl", "{}\n"),
    "a history of words": put("history.jsonl", '{"kind": "step", "epoch": "x"}\n'),
    "a broken recipe": put("recipe.toml", "= ="),
    "no audit": put("data.json", '{"audit": 1}'),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_run_is_refused_by_name(run: Run, tmp_path: Path, name: str) -> None:
    copy = Path(shutil.copytree(run.path, tmp_path / "tiny" / "broken"))
    DAMAGE[name](copy)
    with pytest.raises(RunError, match="broken"):
        making.read(Record(copy), "tiny/broken")
