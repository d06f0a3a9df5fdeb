"""The demo corpus is what its datasheet says."""

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.neighbors import NearestNeighbors

from core.files import PROJECT

GENRES = {
    "children", "comics_graphic", "fantasy_paranormal", "history_biography",
    "mystery_thriller_crime", "poetry", "romance", "young_adult",
}  # fmt: skip


@pytest.fixture(scope="module")
def reviews() -> pd.DataFrame:
    return pd.read_json(PROJECT / "train" / "demo" / "reviews.jsonl", lines=True, dtype=False)


def test_there_are_enough_reviews_with_unique_ids(reviews: pd.DataFrame) -> None:
    assert len(reviews) >= 1200
    assert reviews["id"].is_unique
    assert reviews["text"].is_unique


def test_sentiment_and_genre_are_balanced_in_every_split(reviews: pd.DataFrame) -> None:
    assert set(reviews["genre"]) == GENRES
    assert set(reviews["split"]) == {"train", "train_more", "validation", "test"}
    counts = reviews.groupby(["split", "genre", "sentiment"]).size().unstack()
    assert (counts["negative"] == counts["positive"]).all()
    per_genre = counts.sum(axis=1).unstack()
    assert (per_genre.min(axis=1) == per_genre.max(axis=1)).all()


def test_books_and_films_are_both_common_in_every_genre(reviews: pd.DataFrame) -> None:
    shares = reviews.groupby("genre")["kind"].value_counts(normalize=True).unstack()
    assert shares.min().min() > 0.4


def test_every_review_has_15_to_150_words(reviews: pd.DataFrame) -> None:
    words = reviews["text"].str.split().str.len()
    assert words.min() >= 15
    assert words.max() <= 150


def test_a_title_is_in_one_split_and_one_genre(reviews: pd.DataFrame) -> None:
    by_title = reviews.groupby("title")
    assert (by_title["split"].nunique() == 1).all()
    assert (by_title["genre"].nunique() == 1).all()


def test_no_two_texts_are_nearly_the_same(reviews: pd.DataFrame) -> None:
    vectors = TfidfVectorizer().fit_transform(reviews["text"])
    distances, _ = NearestNeighbors(n_neighbors=1, metric="cosine").fit(vectors).kneighbors()  # of each to the others
    assert distances.min() > 0.2


def test_every_manner_is_where_the_datasheet_says(reviews: pd.DataFrame) -> None:
    sheet = (PROJECT / "train" / "demo" / "DATASHEET.md").read_text()
    counts = reviews.groupby(["manner", "split"]).size().unstack(fill_value=0)
    for manner, row in counts.iterrows():
        cells = [row.sum(), *row[["train", "train_more", "validation", "test"]]]
        assert f"| `{manner}` | {' | '.join(f'{n:,}' if n else '–' for n in cells)} |\n" in sheet


def test_a_title_of_the_contrasting_manners_has_a_review_of_each_sentiment(reviews: pd.DataFrame) -> None:
    contrasting = reviews[reviews["manner"].isin(["outright", "paired"])]
    by_title = contrasting.groupby("title")
    assert (by_title.size() == 2).all()
    assert (by_title["sentiment"].nunique() == 2).all()
    assert (by_title["kind"].nunique() == 1).all()


def test_no_single_word_gives_a_genre_away(reviews: pd.DataFrame) -> None:
    vectorizer = CountVectorizer(binary=True, stop_words="english")
    there = vectorizer.fit_transform(reviews["text"])
    for genre in GENRES:
        inside = (reviews["genre"] == genre).to_numpy()
        shares = np.asarray(there[inside].mean(axis=0)).ravel()
        telling = shares - np.asarray(there[~inside].mean(axis=0)).ravel()
        word = vectorizer.get_feature_names_out()[int(np.argmax(telling))]
        assert telling.max() < 0.3, f"{word} stands in {shares[np.argmax(telling)]:.0%} of {genre}"
