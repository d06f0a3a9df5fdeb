"""What a model says of many reviews: tables, sentences, and files to take along. Pure."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.bulk import Job
from core.uploads import BadRow, Reviews
from core.views import records
from core.wording import as_cell, as_line, figure, percent

SHOWN = 160
"""Characters of a text in a table; the files have all."""
NAMED = 8
"""Rows that a sentence names."""
BINS = 20
"""Of confidence, from 0 to 1."""

CONFIDENCE_MEANS = "How probable the model finds its label, calibrated on validation texts where there are any."

ROW, TEXT, PAIR, LABEL, CONFIDENCE, CUT = "row", "text", "second text", "label", "confidence", "only the beginning read"


def table(job: Job) -> pd.DataFrame:
    """`frame` of what has been read so far."""
    return frame(job.reviews, job.labels, job.probabilities, job.truncated)


def frame(
    reviews: Reviews, labels: Sequence[str], probabilities: npt.NDArray[np.float64], truncated: npt.NDArray[np.bool_]
) -> pd.DataFrame:
    """A row a review, of the first n: its number, texts, label, confidence, and every label's probability.

    `probabilities` are (n, k), `truncated` is (n,).
    """
    done = len(probabilities)
    columns = {ROW: reviews.numbers[:done], TEXT: reviews.texts[:done]}
    if reviews.pairs is not None:
        columns[PAIR] = reviews.pairs[:done]
    return pd.DataFrame(
        columns
        | {
            LABEL: np.array(labels, dtype=object)[probabilities.argmax(axis=1)],
            CONFIDENCE: probabilities.max(axis=1),
            CUT: truncated[:done],
        }
        | {probability_of(label): probabilities[:, index] for index, label in enumerate(labels)}
    )


def probability_of(label: str) -> str:
    """The column of a label's probability."""
    return f"probability of {label}"


def shown(found: pd.DataFrame) -> pd.DataFrame:
    """`table` as people read it: texts in short, confidence in percent, rounded down so that none is certainty."""
    texts = {column.capitalize(): found[column].map(_short) for column in (TEXT, PAIR) if column in found}
    return pd.DataFrame(
        {
            "Row": found[ROW],
            "Label": found[LABEL].map(as_cell),
            "Confidence": np.floor(found[CONFIDENCE] * 1000) / 10,
            **texts,
        }
    )


def to_csv(found: pd.DataFrame) -> bytes:
    """`table` for spreadsheets, which know UTF-8 by its mark, and run no text as a formula."""
    texts = {column: found[column].map(as_cell) for column in (TEXT, PAIR, LABEL) if column in found}
    return found.assign(**texts).rename(columns=as_cell).to_csv(index=False).encode("utf-8-sig")


def to_parquet(found: pd.DataFrame) -> bytes:
    """`table` for programs: every text as it was read."""
    return bytes(found.to_parquet(None, index=False))


def counts(job: Job) -> pd.DataFrame:
    """A row a label, in the labels' order: label, index, count, share of what has been read, and both as written."""
    found = np.bincount(job.probabilities.argmax(axis=1), minlength=len(job.labels))
    frame = pd.DataFrame({"label": job.labels, "index": range(len(job.labels)), "count": found})
    frame["share"] = found / max(found.sum(), 1)
    frame["shown"] = [f"{n:,} · {_share(share)}" for n, share in zip(frame["count"], frame["share"], strict=True)]
    return frame


def confidences(job: Job) -> pd.DataFrame:
    """How many reviews each label has by confidence: label, index, low and high (the bin's ends), count."""
    probabilities = job.probabilities
    each = pd.DataFrame(
        {
            "index": probabilities.argmax(axis=1),
            "bin": np.minimum((probabilities.max(axis=1) * BINS).astype(int), BINS - 1),
        }
    )
    frame = each.groupby(["index", "bin"]).size().reset_index(name="count")
    return frame.assign(
        label=[job.labels[index] for index in frame["index"]], low=frame["bin"] / BINS, high=(frame["bin"] + 1) / BINS
    )


def bad_rows(bad: list[BadRow]) -> pd.DataFrame:
    """The rows that were left out, and why."""
    return pd.DataFrame({"Row": [row.number for row in bad], "Why": [as_cell(row.reason) for row in bad]})


def left_out(bad: list[BadRow]) -> str:
    """`5 rows were left out: 17, 203, 404, 777 and 1,001.`"""
    numbers = [f"{row.number:,}" for row in bad[:NAMED]]
    if len(bad) == 1:
        return f"Row {numbers[0]} was left out: {as_line(bad[0].reason)}."
    last = f"{len(bad) - NAMED:,} more" if len(bad) > NAMED else numbers.pop()
    return f"{len(bad):,} rows were left out: {', '.join(numbers)} and {last}."


def headline(labels: pd.DataFrame) -> str:
    """The commonest of `counts`, with its share: `62.4% positive`."""
    (most,) = records(labels.nlargest(1, "count"))
    return f"{_share(most['share'])} {as_line(most['label'])}"


def counts_in_words(labels: pd.DataFrame) -> str:
    """`counts` for those who cannot see the chart."""
    return "Reviews by label: " + ", ".join(f"{row.label} {row.shown}" for row in labels.itertuples())


def confidences_in_words(job: Job) -> str:
    """`confidences` for those who cannot see the chart."""
    found = np.quantile(job.probabilities.max(axis=1), [0.1, 0.5, 0.9])
    low, middle, high = (percent(float(value)) for value in found)
    return f"Reviews by confidence: half of them above {middle}, a tenth below {low}, a tenth above {high}"


def progress(job: Job) -> str:
    """`1,280 of 10,000 reviews · 310 a second · about 30 seconds left`."""
    parts = [f"{job.done:,} of {len(job.reviews):,} reviews"]
    if job.rate:
        parts += [f"{figure(job.rate)} a second", f"{_left((len(job.reviews) - job.done) / job.rate)} left"]
    if job.others:
        parts.append(f"taking turns with {job.others} other{'s' if job.others > 1 else ''}")
    return " · ".join(parts)


def outcome(job: Job) -> str:
    """How much was read, and how fast."""
    read = f"{job.done:,} of {len(job.reviews):,}" if job.done < len(job.reviews) else f"{job.done:,}"
    stopped = "Cancelled: " if job.cancelled and job.done < len(job.reviews) else ""
    cut = int(job.truncated.sum())
    longer = f" {cut:,} of them are longer than the model reads: only their beginning counts." if cut else ""
    speed = f", {figure(job.rate)} a second" if job.rate else ""
    return f"{stopped}{read} reviews read by {as_line(job.model)}{speed}.{longer}"


def _share(share: float) -> str:
    # Of a count, none and all are meant as they are.
    return f"{share:.0%}" if share in (0, 1) else percent(share)


def _left(seconds: float) -> str:
    if seconds < 10:
        return "a few seconds"
    if seconds < 100:
        return f"about {round(seconds, -1):.0f} seconds"
    return f"about {seconds / 60:.0f} minutes" if seconds < 6000 else f"about {seconds / 3600:.1f} hours"


def _short(text: str) -> str:
    line = " ".join(text[: 4 * SHOWN].split())
    whole = len(line) <= SHOWN and len(text) <= 4 * SHOWN
    return str(as_cell(line if whole else f"{line[:SHOWN]}…"))
