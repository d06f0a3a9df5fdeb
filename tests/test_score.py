"""A file of reviews becomes a file of answers, whatever is in it and however often it is interrupted."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core import calibration, predictor
from core.errors import HubError, InputError
from core.runs import Run
from tests.tiny import BLAME, FILLER, PRAISE
from train import score as scoring
from train.score import PROBLEM, Model, find, score


@pytest.fixture(scope="module")
def model(run: Run) -> Model:
    return Model(run.name, run.model, run.record)


def texts(n: int) -> list[str]:
    rng = np.random.default_rng(n)
    return [" ".join(rng.choice([*PRAISE, *BLAME, *FILLER], rng.integers(1, 40))) for _ in range(n)]


def as_csv(path: Path, given: list[str]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["id", "review"], *([f"{n}", text] for n, text in enumerate(given))])


def as_json(path: Path, given: list[str]) -> None:
    path.write_text("".join(json.dumps({"review": text}) + "\n" for text in given), encoding="utf-8")


def as_parquet(path: Path, given: list[str]) -> None:
    pq.write_table(pa.table({"review": given}), path, row_group_size=7)


WRITERS: dict[str, Callable[[Path, list[str]], None]] = {".csv": as_csv, ".jsonl": as_json, ".parquet": as_parquet}


@pytest.mark.parametrize("kind", WRITERS)
def test_the_answers_are_those_of_the_model(
    model: Model, run: Run, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "AT_ONCE", 16)
    given = texts(50)
    WRITERS[kind](tmp_path / f"in{kind}", given)
    told: list[tuple[int, int]] = []
    found = score(tmp_path / f"in{kind}", model, tmp_path / "out.parquet", progress=lambda *how: told.append(how))
    assert (found.n, found.left_out, found.backend) == (50, 0, "torch")
    assert [done for done, _ in told] == [0, 16, 32, 48, 50]
    frame = pd.read_parquet(tmp_path / "out.parquet")
    logits = predictor.load(run.model).predict(given).logits
    due = calibration.probabilities(logits, calibration.of_record(run.record))
    labels = run.record.labels
    assert frame["text"].tolist() == given
    assert frame["label"].tolist() == [labels[each] for each in due.argmax(axis=1)]
    np.testing.assert_allclose(frame[[f"probability of {label}" for label in labels]], due, atol=1e-5)
    assert frame["row"].is_monotonic_increasing
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"in{kind}", "out.parquet"]


def test_rows_that_cannot_be_read_are_there_with_the_reason(model: Model, tmp_path: Path) -> None:
    rows = [
        '{"review": "a lovely film"}',
        "not json",
        '{"review": ""}',
        '{"review": 5}',
        '{"review": "dull \\u0000 film"}',
    ]
    (tmp_path / "in.jsonl").write_text("\n".join(rows))
    found = score(tmp_path / "in.jsonl", model, tmp_path / "out.parquet")
    assert (found.n, found.left_out) == (5, 3)
    frame = pd.read_parquet(tmp_path / "out.parquet").set_index("row")
    assert frame[PROBLEM].dropna().to_dict() == {2: "not JSON", 3: "review is empty", 4: "review is not text"}
    assert frame["label"].notna().tolist() == [True, False, False, False, True]


class KilledError(Exception):
    """Stands for a process that ends."""


def test_an_interrupted_job_goes_on_where_it_was(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "AT_ONCE", 10)
    as_csv(tmp_path / "in.csv", given := texts(45))
    file, output = tmp_path / "in.csv", tmp_path / "out.parquet"

    def killed(done: int, n: int) -> None:
        if done == 20:
            raise KilledError

    with pytest.raises(KilledError):
        score(file, model, output, progress=killed)
    assert not output.exists()
    read: list[int] = []
    real = scoring._answered
    monkeypatch.setattr(scoring, "_answered", lambda reviews, *how: (read.append(len(reviews)), real(reviews, *how))[1])
    score(file, model, output)
    assert read == [10, 10, 5]
    frame = pd.read_parquet(output)
    score(file, model, tmp_path / "whole.parquet")
    pd.testing.assert_frame_equal(frame, pd.read_parquet(tmp_path / "whole.parquet"))
    assert frame["text"].tolist() == given


def test_the_beginning_of_another_job_is_not_mixed_in(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "AT_ONCE", 10)
    as_csv(tmp_path / "in.csv", texts(30))

    def killed(done: int, n: int) -> None:
        if done:
            raise KilledError

    with pytest.raises(KilledError):
        score(tmp_path / "in.csv", model, tmp_path / "out.parquet", progress=killed)
    as_csv(tmp_path / "in.csv", texts(31))
    with pytest.raises(InputError, match="holds the beginning of another job"):
        score(tmp_path / "in.csv", model, tmp_path / "out.parquet")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("in.csv", b"review\n", "none of its first"),
        ("in.csv", b"", "none of its first"),
        ("in.parquet", b"PAR1", "cannot be read as parquet"),
        ("in.xlsx", b"PK", "the ending must be one of"),
        ("in.jsonl", b"\x89PNG\r\n\x1a\n\0\0", "none of its first"),
    ],
)
def test_what_is_no_file_of_reviews_is_said_so(
    model: Model, tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        score(tmp_path / name, model, tmp_path / "out.parquet")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_columns_are_named_or_guessed(model: Model, tmp_path: Path) -> None:
    pq.write_table(pa.table({"review": ["a lovely film"], "other": ["dull"]}), tmp_path / "in.parquet")
    score(tmp_path / "in.parquet", model, tmp_path / "out.parquet", text="other")
    assert pd.read_parquet(tmp_path / "out.parquet")["text"].tolist() == ["dull"]
    with pytest.raises(InputError, match="no column of texts 'body'; it has review, other"):
        score(tmp_path / "in.parquet", model, tmp_path / "out.parquet", text="body")
    with pytest.raises(InputError, match="There is no file"):
        score(tmp_path / "gone.csv", model, tmp_path / "out.parquet")


def test_a_publication_is_found_by_name_and_checked(published: str) -> None:
    found = find(published)
    assert (found.name, found.record is not None) == (published, True)
    with pytest.raises(HubError):
        find("demo/not-there@main")
