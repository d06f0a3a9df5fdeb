"""Two records -> a verdict: all five kinds, with their evidence."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import metrics, verdict
from core.metrics import Outcome
from core.predictions import Predictions
from core.runs import Record, Run
from core.verdict import Kind, Verdict
from tests.pairs import NAMES, made, names, noisy, relabelled, shuffled, table, with_first
from tests.test_results import finish

SAME = {"model.safetensors": ("a", "a")}
CHANGED_FILE = {"config.json": ("b", "b"), "model.safetensors": ("a", "c")}


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "RESAMPLES", 20)


def compare(first: Predictions, second: Predictions, files: verdict.Hashes = SAME) -> Verdict:
    return verdict.compare(first, second, NAMES, NAMES, files)


@pytest.mark.parametrize(
    ("lost", "won", "files", "kind"),
    [
        (0, 0, SAME, Kind.IDENTICAL),
        (0, 0, CHANGED_FILE, Kind.DRIFT),
        (0, 0, {"model.safetensors": ("a", None)}, Kind.DRIFT),
        (0, 0, {"model.safetensors": (None, None)}, Kind.DRIFT),
        (0, 0, {}, Kind.DRIFT),
        (1, 0, SAME, Kind.DECISIONS_CHANGED),
        (3, 3, SAME, Kind.DECISIONS_CHANGED),
        (5, 0, CHANGED_FILE, Kind.DECISIONS_CHANGED),
        (6, 0, CHANGED_FILE, Kind.DIFFERENT),
        (0, 6, SAME, Kind.DIFFERENT),
        (20, 3, {}, Kind.DIFFERENT),
    ],
)
def test_the_kind_follows_from_bytes_flips_and_the_test(lost: int, won: int, files: verdict.Hashes, kind: Kind) -> None:
    found = compare(*table(30, lost, won, 10), files)
    assert found.kind == kind
    assert found.evidence
    assert (found.evidence.n, found.evidence.lost, found.evidence.won) == (40 + lost + won, lost, won)
    assert [(each.path, each.first, each.second) for each in found.files] == [
        (path, *pair) for path, pair in files.items()
    ]
    assert found.kind.good == (kind in ("identical", "drift"))


@pytest.mark.parametrize(
    ("counts", "files", "said"),
    [
        ((1200, 0, 0, 34), SAME, "Every file is the same, and so are all 1,234 predictions."),
        ((1200, 0, 0, 34), CHANGED_FILE, "All 1,234 decisions agree and 1 of 2 files are not the same; no probability"),
        ((1200, 0, 0, 34), {}, "All 1,234 decisions agree; no probability moved by more than 0."),
        ((30, 2, 1, 7), SAME, "3 of 40 decisions changed, 1 for the better and 2 for the worse, which chance can"),
        ((30, 9, 0, 1), SAME, "9 of 40 decisions changed, 0 for the better and 9 for the worse, more than chance"),
    ],
)
def test_the_sentence_says_what_was_found(counts: Any, files: verdict.Hashes, said: str) -> None:
    assert compare(*table(*counts), files).sentence.startswith(said)


def test_numbers_that_move_without_a_decision_are_drift() -> None:
    found = compare(made([0, 1], [0, 1], margin=2.0), made([0, 1], [0, 1], margin=2.001))
    assert found.kind is Kind.DRIFT
    assert found.evidence
    assert found.evidence.max_probability_change > 0
    assert "every file is the same" in found.sentence
    assert f"{found.evidence.max_probability_change:.2g}" in found.sentence


def test_metric_differences_are_second_minus_first() -> None:
    one, other = noisy(60, 2, 1), noisy(60, 2, 2)
    ours, theirs = (metrics.values(Outcome.of_logits(each.logits, one.label)) for each in (one, other))
    found = compare(one, other).evidence
    assert found
    assert {each.metric for each in found.metrics} == set(ours)
    for each in found.metrics:
        assert (each.first, each.second) == (ours[each.metric], theirs[each.metric])
        assert each.difference == theirs[each.metric] - ours[each.metric]


CHANGED: dict[str, Any] = {
    "ids": (lambda found: with_first(found, "id", "x"), "The examples differ: of 10 and 10, 9 are shared"),
    "fewer": (lambda found: found.take(np.arange(9)), "The examples differ: of 10 and 9, 9 are shared"),
    "texts": (lambda found: with_first(found, "text_sha256", "0" * 63 + "f"), "of 10 and 10, 9 are shared"),
    "labels": (lambda found: with_first(found, "label", 1), "1 of 10 shared examples have different true labels"),
    "an example twice": (lambda found: found.take(np.array([*range(10), 3])), "of 10 and 11, 10 are shared"),
    "nothing shared": (lambda found: found.take(np.arange(0)), "No example is shared"),
    "no numbers": (lambda found: with_first(found, "logits", np.nan), "1 of 10 predictions hold no numbers"),
}


@pytest.mark.parametrize("name", CHANGED)
def test_what_does_not_fit_makes_it_unverifiable(name: str) -> None:
    change, reason = CHANGED[name]
    one, _ = table(5, 2, 2, 1)
    for found in (compare(one, change(one)), compare(change(one), one)):
        assert found.kind is Kind.UNVERIFIABLE
        assert found.evidence is None
    assert reason in compare(one, change(one)).sentence


def test_examples_that_stand_twice_on_both_sides_are_not_compared() -> None:
    one, _ = table(5, 2, 2, 1)
    twice = one.take(np.array([*range(10), 3]))
    assert compare(twice, twice).kind is Kind.UNVERIFIABLE


def test_other_label_names_are_unverifiable() -> None:
    found = verdict.compare(*table(5, 0, 0, 5), NAMES, ("bad", "good"))
    assert found.kind is Kind.UNVERIFIABLE
    assert all(name in found.sentence for name in (*NAMES, "bad", "good"))


def test_labels_are_matched_by_name_and_never_by_index() -> None:
    one, order = noisy(60, 3, 1), (2, 0, 1)
    there = [names(3)[place] for place in order]
    assert verdict.compare(one, relabelled(one, order), names(3), there, SAME).kind is Kind.IDENTICAL
    # The same indices and numbers under names in another order are other labels and other decisions.
    assert verdict.compare(one, one, names(3), there, SAME).kind is Kind.UNVERIFIABLE


@pytest.mark.parametrize("counts", [(10, 0, 0, 2), (10, 6, 0, 2)])
def test_a_verdict_can_be_stored(counts: tuple[int, int, int, int]) -> None:
    found = compare(*table(*counts))
    stored = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert found.evidence
    assert Kind(stored["kind"]) is found.kind
    assert (stored["n"], stored["flips"]) == (found.evidence.n, found.evidence.flips)
    assert len(stored["metrics"]) == len(found.evidence.metrics)
    assert stored["files"] == [{"path": "model.safetensors", "first": "a", "second": "a"}]
    nothing = verdict.unverifiable("So it is.").to_json()
    assert json.loads(json.dumps(nothing)) == nothing
    assert not nothing["metrics"]


Change = Callable[[Run], object]
Runs = tuple[Run, Run]


@pytest.fixture
def two(tiny: Path, no_runs: Path) -> Runs:
    """Two runs over the same test split; one is a recipe of the loop engine."""
    return finish(tiny, 1), finish(tiny, 2, ["engine=loop"])


def between(runs: Runs) -> Verdict:
    return verdict.between(*(Record(run.path) for run in runs))


def rewrite(name: str, change: Callable[[dict[str, Any]], object]) -> Change:
    """Changes what a JSON file of a run holds."""

    def rewritten(run: Run) -> None:
        stored = json.loads((run.path / name).read_text())
        change(stored)
        (run.path / name).write_text(json.dumps(stored))

    return rewritten


def set_hashes(model: str, history: str = "") -> Change:
    return rewrite(
        "metrics.json",
        lambda found: found.update(sha256={"model/model.safetensors": model, "history.jsonl": history}),
    )


def test_two_records_have_the_verdict_of_their_predictions(two: Runs) -> None:
    one, other = (run.record for run in two)
    expected = verdict.compare(one.predictions(), other.predictions(), one.labels, other.labels)
    assert between(two) == expected
    assert expected.evidence


def test_a_copy_with_the_same_stated_model_is_identical(two: Runs) -> None:
    run, _ = two
    assert between((run, run)).kind is Kind.DRIFT  # nothing is known of its bytes
    set_hashes("a")(run)
    found = between((run, run))
    assert found.kind is Kind.IDENTICAL
    assert [each.path for each in found.files] == ["model/model.safetensors"]


def test_only_the_models_files_make_two_records_identical(two: Runs) -> None:
    one, other = two
    (other.path / "predictions" / "test.parquet").write_bytes((one.path / "predictions" / "test.parquet").read_bytes())
    set_hashes("a", "b")(one)
    set_hashes("a", "c")(other)
    assert between(two).kind is Kind.IDENTICAL
    set_hashes("d")(other)
    assert between(two).kind is Kind.DRIFT


def rename_metric(old: str, new: str) -> Change:
    def renamed(found: dict[str, Any]) -> None:
        split = found["splits"]["test"]
        split[new] = split.pop(old)

    return rewrite("metrics.json", renamed)


def rename_data(run: Run) -> None:
    rewrite("data.json", lambda found: found["splits"]["test"].update(sha256="f" * 64))(run)
    path = run.path / "recipe.toml"
    path.write_text(path.read_text().replace('test = "test"', 'test = "held out"'))


UNLIKE: dict[str, tuple[Change, str]] = {
    "fingerprint": (
        rewrite("data.json", lambda found: found["splits"]["test"].update(sha256="f" * 64)),
        "measured on different data: the fingerprints of test are 0000000 and fffffff.",
    ),
    "split of the recipe": (rename_data, "are 0000000 and fffffff; their recipes differ in data.test."),
    "labels": (
        rewrite("metrics.json", lambda found: found.update(labels=["bad", "good"])),
        "labels differ: negative, positive on one side, bad, good on the other",
    ),
    "averaging": (
        rename_metric("f1_macro", "f1_micro"),
        "averaged differently: f1_macro, f1_positive, f1_weighted on one side, f1_micro, f1_positive, f1_weighted on",
    ),
    "no averaging stated": (rename_metric("f1_macro", "f1"), "f1, f1_positive, f1_weighted on the"),
    "no split": (rewrite("data.json", lambda found: found["splits"].clear()), "does not hold what Verdict writes"),
    "no predictions": (lambda run: (run.path / "predictions" / "test.parquet").unlink(), "test.parquet is missing"),
    "no data": (lambda run: (run.path / "data.json").unlink(), "data.json is missing"),
    "no metrics": (lambda run: (run.path / "metrics.json").unlink(), "metrics.json is missing"),
}


@pytest.mark.parametrize("name", UNLIKE)
def test_records_that_cannot_be_compared_are_unverifiable(two: Runs, name: str) -> None:
    change, reason = UNLIKE[name]
    assert between(two).kind is not Kind.UNVERIFIABLE
    change(two[1])
    found = between(two)
    assert found.kind is Kind.UNVERIFIABLE
    assert reason in found.sentence
    assert between((two[1], two[0])).kind is Kind.UNVERIFIABLE


def test_what_moves_no_examples_does_not_make_records_unverifiable(two: Runs) -> None:
    expected = between(two)
    run = two[1]
    path = run.path / "recipe.toml"
    path.write_text(path.read_text().replace("reviews.jsonl", "moved.jsonl"))  # the fingerprint is the same
    rewrite("metrics.json", lambda found: found["splits"]["test"].pop("loss"))(run)  # of a version without it
    assert between(two) == expected


def test_records_with_labels_in_another_order_are_compared_by_name(two: Runs) -> None:
    expected = between(two)
    run = two[1]
    stored = run.record.predictions()
    relabelled(shuffled(stored), (1, 0)).save(run.path / "predictions" / "test.parquet")
    rewrite("metrics.json", lambda found: found.update(labels=found["labels"][::-1]))(run)
    # A fingerprint holds the labels' indices, so that it is another one.
    rewrite("data.json", lambda found: found["splits"]["test"].update(sha256="f" * 64))(run)
    assert between(two) == expected
