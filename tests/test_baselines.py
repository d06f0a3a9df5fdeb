"""Baselines against scikit-learn used directly."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, log_loss, roc_auc_score

from core import data, metrics
from core import recipe as recipes
from core.data import Splits
from core.recipe import Recipe
from core.runs import Run
from train import baselines


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "RESAMPLES", 3)


@pytest.fixture
def recipe(tiny: Path) -> Recipe:
    return recipes.load(tiny)


@pytest.fixture
def splits(recipe: Recipe) -> Splits:
    return data.load_splits(recipe)


def values(found: dict[str, dict[str, float]]) -> dict[str, float]:
    return {name: found[name]["value"] for name in ("accuracy", "f1_macro", "loss", "roc_auc_ovr_macro")}


def test_tfidf_is_scikit_learns(splits: Splits, recipe: Recipe) -> None:
    words = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), min_df=2)
    model = LogisticRegression(max_iter=1000)
    model.fit(words.fit_transform(splits["train"]["text"]), splits["train"]["label"])
    scored, truth = model.predict_proba(words.transform(splits["test"]["text"])), splits["test"]["label"]
    assert values(baselines.score(splits, recipe)["tfidf"]) == pytest.approx(
        {
            "accuracy": accuracy_score(truth, scored.argmax(1)),
            "f1_macro": f1_score(truth, scored.argmax(1), average="macro"),
            "loss": log_loss(truth, scored),
            "roc_auc_ovr_macro": roc_auc_score(truth, scored[:, 1]),
        },
        rel=1e-9,
    )


@pytest.mark.parametrize("kept", [10, 50])
def test_the_majority_is_that_of_training(splits: Splits, recipe: Recipe, kept: int) -> None:
    train = splits["train"]
    splits["train"] = pd.concat([train[train["label"] == 1], train[train["label"] == 0].head(kept)])
    share = kept / (kept + 60)
    truth = splits["test"]["label"]
    assert values(baselines.score(splits, recipe)["majority"]) == pytest.approx(
        {
            "accuracy": (truth == 1).mean(),
            "f1_macro": f1_score(truth, np.ones(len(truth)), average="macro"),
            "loss": log_loss(truth, np.tile([share, 1 - share], (len(truth), 1))),
            "roc_auc_ovr_macro": 0.5,
        }
    )


def test_test_labels_play_no_part_in_fitting(splits: Splits, recipe: Recipe) -> None:
    before = baselines.score(splits, recipe)
    splits["test"] = splits["test"].assign(label=1 - splits["test"]["label"])
    after = baselines.score(splits, recipe)
    for name in ("majority", "tfidf"):
        assert after[name]["accuracy"]["value"] == pytest.approx(1 - before[name]["accuracy"]["value"])


def test_a_label_that_training_lacks_is_never_decided(splits: Splits, recipe: Recipe) -> None:
    three = recipe.model_copy(update={"labels": ("negative", "positive", "other")})
    splits["test"] = splits["test"].assign(label=[2] * 10 + list(splits["test"]["label"][10:]))
    for found in baselines.score(splits, three).values():
        assert [row[2] for row in found["confusion"]] == [0, 0, 0]
        assert np.isfinite(found["loss"]["value"])


def test_pairs_are_joined(splits: Splits, recipe: Recipe) -> None:
    paired = {name: frame.assign(text="x", text_pair=frame["text"]) for name, frame in splits.items()}
    alone, both = (baselines.score(each, recipe)["tfidf"]["accuracy"]["value"] for each in (splits, paired))
    assert both == pytest.approx(alone, abs=0.1)
    assert both > 0.6


def test_words_that_never_repeat_still_have_a_baseline(recipe: Recipe) -> None:
    words = [f"word{n}" for n in range(40)]
    frame = pd.DataFrame({"id": words, "text": words, "label": [0, 1] * 20})
    found = baselines.score(dict.fromkeys(data.SPLITS, frame), recipe)
    assert found["tfidf"]["accuracy"]["value"] == 0.5


def test_a_run_stores_what_the_baselines_give(run: Run, splits: Splits) -> None:
    found = baselines.score(splits, run.record.recipe)
    for name, stored in run.record.data["baselines"].items():
        assert values(stored) == pytest.approx(values(found[name]))
