"""Choosing examples: a cell, a row, a column, a slice, mistakes alone; and what is said of them."""

import numpy as np
import pandas as pd
import pytest

from core import examples, texts, views
from core.evaluation import Evaluation, Split
from core.examples import Choice
from core.runs import Run
from tests.split import evaluation, predictions

FOUND = predictions(k=3)
OF = evaluation(FOUND)
ONE, TWO = OF.labels[1], OF.labels[2]


@pytest.mark.parametrize(
    ("choice", "meant"),
    [
        (Choice(), OF.found.label != OF.decisions),
        (Choice(mistakes=False), np.ones(len(FOUND), bool)),
        (Choice(true=ONE), (FOUND.label == 1) & (OF.decisions != 1)),
        (Choice(true=ONE, mistakes=False), FOUND.label == 1),
        (Choice(decided=TWO), (FOUND.label != 2) & (OF.decisions == 2)),
        (Choice(decided=TWO, mistakes=False), OF.decisions == 2),
        (Choice(true=ONE, decided=TWO), (FOUND.label == 1) & (OF.decisions == 2)),
        (Choice(true=ONE, decided=ONE), (FOUND.label == 1) & (OF.decisions == 1)),
        (Choice(among="Longer than the model reads"), FOUND.truncated & ~OF.right),
    ],
)
def test_those_are_listed_that_were_chosen_the_surest_first(choice: Choice, meant: np.ndarray) -> None:
    rows = examples.rows(OF, choice)
    assert sorted(rows) == np.flatnonzero(meant).tolist()
    assert len(rows) > 0
    assert (np.diff(OF.confidence[rows]) <= 0).all()


def test_decisions_follow_the_threshold() -> None:
    found = predictions()
    low, high = evaluation(found, 0.1), evaluation(found, 0.9)
    second = low.labels[1]
    few, many = (len(examples.rows(each, Choice(decided=second, mistakes=False))) for each in (high, low))
    assert few == high.decisions.sum() < low.decisions.sum() == many
    unsure = high.confidence[high.decisions == 0]
    assert unsure.min() < 0.5  # decided against the likelier label


def test_every_example_is_in_its_cell_with_its_text(run: Run) -> None:
    found = run.record.predictions("test")
    of, shown = Evaluation(Split(run.record, "test", found)), texts.of_record(run.record, "test")
    cells = views.confusion(run.record.metrics["splits"]["test"], of.labels)
    seen = 0
    for row in views.records(cells):
        cell = examples.table(of, examples.rows(of, Choice(row["true"], row["decided"])), shown)
        assert len(cell) == row["count"]
        assert list(cell["text"]) == list(shown.loc[cell["id"], "text"])
        assert set(cell["true"]) <= {row["true"]}
        seen += len(cell)
    assert seen == len(found)


def test_without_texts_the_rest_is_listed() -> None:
    rows = examples.rows(OF, Choice())
    assert list(examples.table(OF, rows, None).columns) == ["id", "true", "decided", "confidence"]
    pairs = pd.DataFrame({"text": "a", "text_pair": "b", "text_sha256": "c"}, index=FOUND.id)
    assert list(examples.table(OF, rows, pairs).columns)[-2:] == ["text", "text_pair"]


@pytest.mark.parametrize(("n", "pages"), [(0, 1), (1, 1), (10, 1), (11, 2), (25, 3)])
def test_a_list_is_paged_and_nothing_is_lost(n: int, pages: int) -> None:
    assert examples.pages(n) == pages
    listed = [examples.page(np.arange(n), number) for number in range(1, pages + 1)]
    assert np.concatenate(listed).tolist() == list(range(n))
    assert all(len(each) <= examples.PAGE for each in listed)


@pytest.mark.parametrize(
    ("choice", "n", "said"),
    [
        (Choice(), 0, "0 mistakes."),
        (Choice(), 1, "1 mistake."),
        (Choice(mistakes=False), 1234, "1,234 examples, those first that the model was surest of."),
        (Choice("a", "b"), 2, "2 examples where the true label is a and b was decided, those first"),
        (Choice("<b>"), 1, r"1 mistake where the true label is \<b\>."),
        (Choice(among="genre: *x*"), 1, r"1 mistake among “genre\: \*x\*”."),
    ],
)
def test_a_choice_is_said_in_words(choice: Choice, n: int, said: str) -> None:
    assert choice.words(n).startswith(said)


def test_a_caption_says_what_is_and_what_was_decided() -> None:
    row = {"id": "r_1", "true": "bad", "decided": "good", "confidence": 0.9321}
    assert examples.caption(row) == r"Is **bad**, decided **good** · 93.2% sure · r\_1"
    assert examples.caption(row | {"decided": "bad"}).startswith("Is bad, and was decided so · ")
