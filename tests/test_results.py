"""The page of results: every figure on it comes from the runs, and what is missing is said."""

import json
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from core import metrics, runs
from core import recipe as recipes
from core.errors import VerdictError
from core.metrics import METRICS, Outcome
from core.predictions import Predictions
from core.recipe import Recipe
from core.runs import Run
from core.wording import figure, interval
from train import __main__ as cli
from train import confidence, results
from train.__main__ import RECIPES

Finished = Callable[..., Run]
RESAMPLES = 20
SHIPPED = sorted(RECIPES.glob("*.toml"))
COST = {"train_seconds": 90.0, "tokens_per_second": 12_345.6, "peak_memory_bytes": 3 * 2**29}


@pytest.fixture
def finished(tiny: Path, no_runs: Path) -> Finished:
    """Makes complete runs of the tiny recipe."""
    return partial(finish, tiny)


def finish(path: Path, seed: int = 42, changes: Sequence[str] = (), *, leaks: bool = False, n: int = 60) -> Run:
    """A complete run of a recipe of two labels without training: its n predictions are drawn from the seed."""
    recipe = recipes.load(path, [f"seed={seed}", *changes])
    run, found = runs.create(recipe), _drawn(seed, n)
    splits = {"test": metrics.summary(Outcome.of_logits(found.logits, found.label), recipe.labels, RESAMPLES)}
    if leaks:
        kept = Outcome.of_logits(found.logits[9:], found.label[9:])
        splits["test_without_leaks"] = metrics.summary(kept, recipe.labels, RESAMPLES)
    baselines = {name: {"accuracy": {"value": value}} for name, value in (("majority", 0.513), ("tfidf", 0.625))}
    run.write_predictions("test", found)
    run.write_json("data.json", {"splits": {"test": {"rows": n, "sha256": f"{n:064x}"}}, "baselines": baselines})
    run.write_json("environment.json", {"processor": "Abacus 9", "threads": 2, "device": "cpu", "cost": COST})
    run.write_json("metrics.json", {"schema": 1, "labels": list(recipe.labels), "splits": splits})
    return run


def _drawn(seed: int, n: int) -> Predictions:
    labels = np.random.default_rng(0).integers(0, 2, n)
    logits = np.random.default_rng(seed).normal(size=(n, 2)) + np.eye(2)[labels]
    return Predictions(
        id=np.array([f"r{row}" for row in range(n)]),
        text_sha256=np.array([f"{row:064x}" for row in range(n)]),
        label=labels.astype(np.int64),
        logits=logits.astype(np.float32),
        n_tokens=np.full(n, 5),
        truncated=np.zeros(n, dtype=bool),
    )


@pytest.fixture
def recipe(tiny: Path) -> Recipe:
    return recipes.load(tiny, ["reported.accuracy=0.91", "reported.f1_positive=0.92", "reported.something_else=7.0"])


def cells(page: str, start: str) -> list[list[str]]:
    """The cells of the page's table rows whose first one is `start`."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("|")]
    return [row for row in rows if row[0] == start]


def row(page: str) -> dict[str, str]:
    """The one row of the tiny recipe in the first table."""
    (found,) = cells(page, "tiny")
    return dict(zip(results.COLUMNS, found, strict=True))


def test_the_page_names_its_command_first(no_runs: Path) -> None:
    head = results.page([]).splitlines()[:3]
    assert head[0] == "# Results"
    assert "Written by `python -m train results`" in head[2]


def test_a_row_holds_what_the_run_holds(finished: Finished, recipe: Recipe) -> None:
    run = finished(leaks=True)
    splits = run.record.metrics["splits"]
    test, without = splits["test"], splits["test_without_leaks"]
    assert row(results.page([recipe])) == {
        "recipe": "tiny",
        "encoder": "encoder",
        "engine": "trainer",
        "n test": "60",
        "accuracy": f"{figure(test['accuracy']['value'])} ({interval(test['accuracy'])})",
        "F1 (macro)": f"{figure(test['f1_macro']['value'])} ({interval(test['f1_macro'])})",
        "goal": "–",
        "reported accuracy": "0.910",
        "TF-IDF": "0.625",
        "majority": "0.513",
        "accuracy without leaked rows": f"{figure(without['accuracy']['value'])} ({interval(without['accuracy'])})",
        "minutes": "1.50",
        "tokens per second": "12,346",
        "peak GiB": "1.50",
    }


@pytest.mark.parametrize(("goal", "said"), [(0.0, "0, reached"), (1.0, "1.00, **not reached**")])
def test_a_goal_is_reached_or_not(finished: Finished, recipe: Recipe, goal: float, said: str) -> None:
    finished()
    meant = recipe.model_copy(update={"goal": {recipe.encoder: goal}})
    assert row(results.page([meant]))["goal"] == said


def test_several_seeds_share_a_row_with_mean_and_deviation(finished: Finished, recipe: Recipe) -> None:
    found = [finished(seed) for seed in (42, 43, 44)]
    values = [run.record.metrics["splits"]["test"]["accuracy"]["value"] for run in found]
    page = results.page([recipe])
    expected = f"{figure(np.mean(values))} ± {figure(np.std(values, ddof=1))}, 3 seeds"
    assert row(page)["accuracy"] == expected
    assert cells(page, "Accuracy") == [["Accuracy", "0.910", expected]]
    assert all(f"`{run.name}` (seed {seed})" in page for run, seed in zip(found, (42, 43, 44), strict=True))


def test_every_reported_metric_stands_beside_ours(finished: Finished, recipe: Recipe) -> None:
    entry = finished().record.metrics["splits"]["test"]["f1_positive"]
    page = results.page([recipe])
    assert cells(page, "metric") == [["metric", "reported", "encoder trainer"]]
    assert cells(page, "F1 (positive)") == [["F1 (positive)", "0.920", f"{figure(entry['value'])} ({interval(entry)})"]]
    assert cells(page, "something_else") == [["something_else", "7.00", "–"]]


def test_other_settings_make_another_row_and_are_named(finished: Finished, recipe: Recipe) -> None:
    finished(42)
    finished(43, ["training.epochs=3", "engine=loop"])
    page = results.page([recipe])
    assert [found[2] for found in cells(page, "tiny")] == ["loop", "trainer"]
    assert "All settings are the recipe's." in page
    assert "Other settings than the recipe's: `engine` loop, not trainer; `training.epochs` 3, not 8." in page


def test_another_test_split_makes_another_row(finished: Finished, recipe: Recipe) -> None:
    finished(42, n=60)
    finished(43, n=40)
    assert {found[3] for found in cells(results.page([recipe]), "tiny")} == {"60", "40"}


def test_the_newest_run_of_a_seed_counts(finished: Finished, recipe: Recipe) -> None:
    old, new = finished(n=40), finished(n=60)
    if old.path.name > new.path.name:  # made in the same second
        old, new = new, old
    page = results.page([recipe])
    assert new.name in page
    assert old.name not in page


def test_what_is_only_worded_differently_is_the_same_setting(finished: Finished, recipe: Recipe) -> None:
    finished(42, ["title=Other words", "publish.limits=Many"])
    finished(43)
    page = results.page([recipe])
    assert "2 seeds" in row(page)["accuracy"]
    assert "All settings are the recipe's." in page


def test_no_path_of_the_machine_is_on_the_page(finished: Finished, recipe: Recipe, tmp_path: Path) -> None:
    finished(42, [f"data.file={tmp_path}/mine.csv"])
    page = results.page([recipe])
    assert "`data.file` mine.csv, not reviews.jsonl" in page
    assert "/mine.csv" not in page
    assert str(tmp_path.parent) not in page


def test_unfinished_runs_are_not_shown(finished: Finished, recipe: Recipe) -> None:
    (finished().path / "metrics.json").unlink()
    page = results.page([recipe])
    assert row(page)["accuracy"] == "not trained yet"
    assert row(page)["reported accuracy"] == "0.910"
    assert "Not trained yet: `python -m train fit tiny`." in page


@pytest.mark.parametrize("name", ["environment.json", "data.json", "metrics.json"])
def test_a_damaged_run_is_left_out_and_named(finished: Finished, recipe: Recipe, name: str) -> None:
    bad, good = finished(1), finished(2)
    stored = json.loads((bad.path / name).read_text())
    (bad.path / name).write_text(json.dumps({key: stored[key] for key in ("schema",) if key in stored}))
    page = results.page([recipe])
    assert f"Left out: `{bad.name}`. " in page
    assert f"`{good.name}` (seed 2)" in page


def test_a_recipe_of_ones_own_is_shown_too(finished: Finished) -> None:
    run = finished()
    page = results.page([])
    assert row(page)["engine"] == "trainer"
    assert run.name in page


def test_the_command_writes_the_page_with_every_shipped_recipe(no_runs: Path, tmp_path: Path) -> None:
    path = tmp_path / "docs" / "page.md"
    found = CliRunner().invoke(cli.app, ["results", "-o", str(path)], catch_exceptions=False)
    assert str(path) in found.output.replace("\n", "")
    page = path.read_text(encoding="utf-8")
    assert [name for name in (each.stem for each in SHIPPED) if not cells(page, name)] == []
    assert page.count("not trained yet") == len(SHIPPED)


def test_the_page_keeps_what_it_comes_from_for_another_machine(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, path = finished(), tmp_path / "docs" / "page.md"
    results.write(path, [])
    here = path.read_text(encoding="utf-8")
    monkeypatch.setenv("VERDICT_RUNS", str(tmp_path / "another machine"))
    results.write(path, [])
    assert path.read_text(encoding="utf-8") == here
    assert f"`{run.name}`" in here
    kept = [file for file in tmp_path.joinpath("docs", "page").rglob("*") if file.is_file()]
    assert {file.name for file in kept} == {"recipe.toml", *results.KEPT}
    assert not [file for file in kept if str(tmp_path) in file.read_text(encoding="utf-8")]


def test_a_page_that_cannot_be_written_is_told(no_runs: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(VerdictError, match="cannot be written"):
        CliRunner().invoke(cli.app, ["results", "-o", str(tmp_path / "file" / "page.md")], catch_exceptions=False)


def test_a_real_run_has_all_that_the_page_needs(run: Run, no_runs: Path) -> None:
    shutil.copytree(run.path, no_runs / run.name)
    page = results.page([run.record.recipe])
    assert "Left out" not in page
    assert f"`{run.name}` (seed 42)" in page
    accuracy = run.record.metrics["splits"]["test"]["accuracy"]
    assert row(page)["accuracy"] == f"{figure(accuracy['value'])} ({interval(accuracy)})"


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_what_reports_state_has_the_names_of_our_metrics(path: Path) -> None:
    assert set(recipes.load(path).reported) <= set(METRICS)


def settings(name: str) -> dict[str, object]:
    return recipes.flat(recipes.load(RECIPES / f"{name}.toml"))


@pytest.mark.parametrize(
    ("name", "stated"),
    [
        ("imdb", {"data.train": ("train", "test"), "data.validation": 0.1, "data.test": 0.1}),
        ("imdb", {"training.max_tokens": 256, "training.batch_size": 16}),
        ("imdb", {"training.learning_rate": 2e-5, "training.epochs": 2, "training.weight_decay": 0.01}),
        ("imdb-cased", {"data.train": ("train",), "data.test": "test", "training.max_tokens": 512}),
        ("imdb-cased", {"training.batch_size": 16, "training.epochs": 3, "reported.loss": 0.3337}),
        ("mrpc", {"training.warmup": 50.0, "training.adam_epsilon": 1e-8, "training.weight_decay": 0.0, "seed": 42}),
        ("mrpc", {"training.batch_size": 32, "training.max_tokens": 128, "reported.accuracy": 0.85784}),
        ("sst2", {"engine": "loop", "data.validation": 0.05, "data.test": "validation"}),
        ("imdb-loop", {"engine": "loop", "data.test": "test", "training.max_tokens": 256}),
    ],
)  # fmt: skip
def test_recipes_have_the_settings_of_their_reports(name: str, stated: dict[str, object]) -> None:
    found = settings(name)
    assert {key: found[key] for key in stated} == stated
    assert found["publish.texts"] is False


def test_no_recipe_chooses_by_the_rows_it_reports(tmp_path: Path) -> None:
    for path in SHIPPED:
        data = recipes.load(path).data
        assert isinstance(data.validation, float) or data.validation != data.test
        assert not {data.validation, data.test} & set(data.train)


MEASURED = {
    "temperature": 1.33,
    "ece_before": 0.05,
    "ece_after": 0.0292,
    "coverage": [
        {"asked": 0.8, "found": 0.84, "low": 0.82, "high": 0.86, "plain": 0.8, "sure": 1.0, "right": 0.84},
        {"asked": 0.95, "found": 0.943, "low": 0.926, "high": 0.956, "plain": 0.94, "sure": 0.0, "right": None},
    ],
    "explanations": {
        "texts": 60, "n": 59, "faithful": 0.9, "comprehensiveness": 0.41, "random_comprehensiveness": 0.12,
        "sufficiency": 0.05, "random_sufficiency": 0.22,
    },
}  # fmt: skip


def test_what_was_measured_of_a_runs_confidence_is_shown(finished: Finished, recipe: Recipe, tmp_path: Path) -> None:
    run, path = finished(), tmp_path / "docs" / "page.md"
    measured = path.with_suffix("") / run.name / confidence.FILE
    measured.parent.mkdir(parents=True)
    measured.write_text(json.dumps(MEASURED))
    results.write(path, [recipe])
    page = path.read_text(encoding="utf-8")
    assert "## Confidence" in page
    trust, *sets = [row[1:] for row in cells(page, "tiny")[1:]]
    assert trust == ["encoder", "1.33", "0.0500", "0.0292", "59", "0.900", "0.410", "0.120", "0.0500", "0.220"]
    assert sets == [
        ["encoder", "0.800", "0.840 (0.820 to 0.860)", "1.00", "0.840"],
        ["encoder", "0.950", "0.943 (0.926 to 0.956)", "0", "–"],
    ]
    assert json.loads(measured.read_text()) == MEASURED


def test_a_page_without_such_measurements_has_no_such_section(finished: Finished, tmp_path: Path) -> None:
    finished()
    results.write(tmp_path / "page.md", [])
    assert "Confidence" not in (tmp_path / "page.md").read_text()


@pytest.mark.parametrize("stored", ["{", "[]", '{"temperature": 1.0}', '{"coverage": 1, "explanations": {}}'])
def test_a_damaged_measurement_is_left_out_and_named(finished: Finished, tmp_path: Path, stored: str) -> None:
    run = finished()
    folder = tmp_path / "page" / run.name
    folder.mkdir(parents=True)
    (folder / confidence.FILE).write_text(stored)
    results.write(tmp_path / "page.md", [])
    page = (tmp_path / "page.md").read_text()
    assert f"Left out: `{run.name}`. Its confidence" in page
    assert "## Confidence" not in page
    assert f"`{run.name}` (seed 42)" in page
