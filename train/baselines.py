"""What a score is compared with: always the majority class, and TF-IDF with logistic regression."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from core import metrics
from core.data import Splits
from core.metrics import Outcome
from core.recipe import Recipe


def score(splits: Splits, recipe: Recipe) -> dict[str, Any]:
    """Scores of both baselines on the test split, fitted on the training split: {name: summary as in metrics.json}.

    Of the intervals only accuracy's is there: the others take a minute on a large split, and nothing shows them.
    """
    train, test = splits["train"], splits["test"]
    return {
        "majority": metrics.summary(_majority(train, test, len(recipe.labels)), recipe.labels, resamples=0),
        "tfidf": metrics.summary(_tfidf(train, test, len(recipe.labels)), recipe.labels, resamples=0),
    }


def _majority(train: pd.DataFrame, test: pd.DataFrame, k: int) -> Outcome:
    """Scores every text by the labels' shares in training, so that its loss is the entropy of the labels."""
    shares = np.bincount(train["label"], minlength=k) / len(train)
    logits = np.log(np.maximum(shares, 1e-12))
    return Outcome.of_logits(np.tile(logits, (len(test), 1)), test["label"])


def _tfidf(train: pd.DataFrame, test: pd.DataFrame, k: int) -> Outcome:
    """Words and pairs of words, sublinear term frequencies; scikit-learn's default regularisation, nothing tuned."""
    words = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), min_df=2)
    try:
        words.fit(_joined(train))
    except ValueError:  # no word stands in two texts: there is nothing to learn from
        return _majority(train, test, k)
    model = LogisticRegression(max_iter=1000).fit(words.transform(_joined(train)), train["label"])
    logits = np.full((len(test), k), -50.0)  # a label that training lacks gets no probability
    logits[:, model.classes_] = model.predict_log_proba(words.transform(_joined(test)))
    return Outcome.of_logits(logits, test["label"])


def _joined(frame: pd.DataFrame) -> "pd.Series[str]":
    return frame["text"] + " " + frame["text_pair"] if "text_pair" in frame else frame["text"]
