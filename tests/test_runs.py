"""Run directories: creating, finding, and reading what others damaged."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from core import recipe as recipes
from core import runs
from core.errors import RunError
from core.recipe import Recipe
from core.runs import Record, Run

Damage = Callable[[Path], object]


@pytest.fixture
def recipe(tiny: Path) -> Recipe:
    return recipes.load(tiny)


@pytest.fixture
def copy(run: Run, no_runs: Path) -> Run:
    """The tiny run under a root of its own."""
    return Run(Path(shutil.copytree(run.path, no_runs / "tiny" / run.path.name)))


def made(root: Path, name: str, *, complete: bool = True) -> Run:
    """A run directory with nothing but what listing needs."""
    run = Run(root / name)
    run.path.mkdir(parents=True)
    (run.path / "recipe.toml").write_text("")
    if complete:
        (run.path / "metrics.json").write_text("{}")
    return run


def test_a_new_run_holds_its_resolved_recipe(recipe: Recipe, no_runs: Path) -> None:
    one, other = runs.create(recipe), runs.create(recipe)
    assert one.path != other.path
    assert one.path.parent == no_runs / "tiny"
    assert one.record.recipe == recipe
    assert not one.complete
    assert {run.name for run in runs.every()} == {one.name, other.name}


def test_runs_are_listed_newest_first(no_runs: Path) -> None:
    for name in ("b/20260101-000000-aaaa", "a/20260301-000000-bbbb", "b/20260201-000000-cccc"):
        made(no_runs, name)
    (no_runs / "a" / "not a run").mkdir()
    (no_runs / "a" / "file").write_text("")
    assert [run.name for run in runs.every()] == [
        "a/20260301-000000-bbbb", "b/20260201-000000-cccc", "b/20260101-000000-aaaa",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "expected"), [("b", "b/2"), ("b/1", "b/1"), ("b/3", "b/3"), ("a", "a/9"), ("a/9", "a/9")]
)
def test_a_run_is_found_by_name_or_as_the_newest_complete(no_runs: Path, name: str, expected: str) -> None:
    for each in ("b/1", "b/2", "a/9"):
        made(no_runs, each)
    made(no_runs, "b/3", complete=False)
    assert runs.find(name).name == expected


@pytest.mark.parametrize("name", ["none", "b/4", "", "b/../b/3", "c", "../runs/b"])
def test_a_run_that_is_not_there_is_named(no_runs: Path, name: str) -> None:
    made(no_runs, "b/3", complete=False)
    with pytest.raises(RunError, match=r"There is no run .*python -m train runs"):
        runs.find(name)


def test_there_may_be_no_runs_at_all(no_runs: Path) -> None:
    assert runs.every() == []
    assert runs.of_publication("demo/tiny", "0" * 40) is None


def test_runs_live_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for value, expected in (("/some/where", "/some/where"), ("", "runs")):
        monkeypatch.setenv("VERDICT_RUNS", value)
        assert runs.root() == Path(expected)


CHANGES: dict[str, Callable[[Run], object]] = {
    "metrics": lambda run: run.write_json("metrics.json", {}),
    "a new file": lambda run: run.write_json("new.json", {}),
    "predictions": lambda run: run.write_predictions("test", run.record.predictions("validation")),
    "the recipe": lambda run: run.write_recipe(run.record.recipe.model_copy(update={"title": "Another"})),
    "the history": lambda run: run.log({"kind": "step"}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_complete_run_refuses_to_be_changed(copy: Run, change: str) -> None:
    before = {path: path.read_bytes() for path in copy.path.rglob("*") if path.is_file()}
    with pytest.raises(RunError, match="complete run is never changed"):
        CHANGES[change](copy)
    assert {path: path.read_bytes() for path in copy.path.rglob("*") if path.is_file()} == before


def test_an_unfinished_run_takes_what_is_written(recipe: Recipe, no_runs: Path) -> None:
    run = runs.create(recipe)
    run.write_json("data.json", {"x": 1})
    run.log({"kind": "step", "loss": 1.0})
    assert run.record.data == {"x": 1}
    assert run.record.history == [{"kind": "step", "loss": 1.0}]
    run.write_json("metrics.json", {"schema": 1})
    assert run.complete


def test_publications_are_remembered_and_found(copy: Run, no_runs: Path) -> None:
    shutil.rmtree(copy.path.parent)
    run, neighbour = made(no_runs, "tiny/1"), made(no_runs, "tiny/2")
    (neighbour.path / "publications.jsonl").write_text('{"repo": "demo/x", "com')
    run.add_publication("demo/x", "a" * 40)
    run.add_publication("demo/x", "b" * 40)
    assert [each["commit"] for each in run.publications] == ["a" * 40, "b" * 40]
    assert runs.of_publication("demo/x", "b" * 40) == run
    assert runs.of_publication("demo/x", "c" * 40) is None
    assert runs.of_publication("demo/y", "a" * 40) is None


def test_verifications_are_kept_by_commit(no_runs: Path) -> None:
    run = made(no_runs, "tiny/1")
    for commit, when, kind in (("b", "2026-02", "drift"), ("a", "2026-01", "drift"), ("b", "2026-03", "identical")):
        run.add_verification({"commit": commit, "when": when, "kind": kind})
    assert [(each["commit"], each["kind"]) for each in run.verifications] == [("a", "drift"), ("b", "identical")]


@pytest.mark.parametrize("rest", ['{"kind": "st', '{"kind": "step"}', "{", "\n".join(["", '{"ki'])])
def test_a_line_still_being_written_is_left_out(tmp_path: Path, rest: str) -> None:
    whole = '{"kind": "step", "n": 1}\n{"kind": "epoch", "n": 2}\n'
    (tmp_path / "history.jsonl").write_text(whole + rest.lstrip("\n"))
    assert [entry["n"] for entry in Record(tmp_path).history] == [1, 2]


def test_there_may_be_no_history_yet(tmp_path: Path) -> None:
    assert Record(tmp_path).history == []


def put(name: str, content: bytes) -> Damage:
    return lambda folder: (folder / name).write_bytes(content)


def cut(name: str) -> Damage:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-40])


READ: dict[str, Callable[[Run], object]] = {
    "recipe.toml": lambda run: run.record.recipe,
    "metrics.json": lambda run: run.record.metrics,
    "data.json": lambda run: run.record.data,
    "environment.json": lambda run: run.record.environment,
    "history.jsonl": lambda run: run.record.history,
    "publications.jsonl": lambda run: run.publications,
    "verifications/x.json": lambda run: run.verifications,
    "predictions/test.parquet": lambda run: run.record.predictions("test"),
    "slices/test.parquet": lambda run: run.record.slices("test"),
}


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("content", [b"\xff\xfe\n", b"{\n", b"5\n"], ids=["not utf-8", "broken", "a number"])
def test_a_damaged_file_is_named(copy: Run, name: str, content: bytes) -> None:
    (copy.path / "verifications").mkdir(exist_ok=True)
    (copy.path / name).write_bytes(content)
    with pytest.raises(Exception, match=Path(name).name) as caught:
        READ[name](copy)
    assert type(caught.value).__name__ in ("RunError", "RecipeError")


@pytest.mark.parametrize(
    "name",
    [
        *(f"{name}.json" for name in ("metrics", "data", "environment")),
        "predictions/test.parquet",
        "slices/test.parquet",
    ],
)
def test_a_truncated_file_is_named(copy: Run, name: str) -> None:
    cut(name)(copy.path)
    with pytest.raises(RunError, match=Path(name).name):
        READ[name](copy)


@pytest.mark.parametrize("name", ["recipe.toml", "metrics.json", "data.json", "environment.json"])
def test_a_missing_file_is_named(copy: Run, name: str) -> None:
    (copy.path / name).unlink()
    with pytest.raises(RunError, match=f"{copy.path.name}/{name} is missing"):
        READ[name](copy)


def test_what_examples_are_grouped_by_is_stored_and_older_runs_have_none(copy: Run, tiny: Path) -> None:
    rows = pd.read_json(tiny.parent / "reviews.jsonl", lines=True).set_index("id")
    for split in ("validation", "test"):
        found = copy.record.slices(split)
        assert found is not None
        assert found["kind"].to_dict() == rows.loc[rows["split"] == split, "kind"].to_dict()
        assert found.columns.tolist() == ["kind", "conflict"]
        assert found["conflict"].dtype == bool
    shutil.rmtree(copy.path / "slices")
    assert copy.record.slices("test") is None


def test_metrics_of_another_schema_are_refused(copy: Run) -> None:
    put("metrics.json", json.dumps(copy.record.metrics | {"schema": 2}).encode())(copy.path)
    with pytest.raises(RunError, match="has schema 2, not 1"):
        _ = Record(copy.path).metrics


def test_a_record_is_read_from_a_run_as_from_a_publication(run: Run, tmp_path: Path) -> None:
    for name in ("recipe.toml", "metrics.json", "data.json", "environment.json", "history.jsonl"):
        shutil.copy(run.path / name, tmp_path / name)
    found: list[Any] = []
    for record in (run.record, Record(tmp_path)):
        found.append([record.recipe, record.metrics, record.data, record.environment, record.history, record.labels])
    assert found[0] == found[1]
