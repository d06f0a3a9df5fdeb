"""Records -> the data frames that pages and pictures show. Pure; nothing here draws or asks the Hub."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from core import calibration
from core import recipe as recipes
from core.errors import VerdictError
from core.metrics import BINS, METRICS, wilson
from core.predictions import Predictions
from core.recipe import Recipe
from core.runs import Run
from core.wording import as_cell, figure, interval, percent, short_names

HEADLINE = ("accuracy", "f1_macro", "roc_auc_ovr_macro", "loss")
"""The metrics shown as cards; the others are one step away."""

_FENCED_OR_PICTURE = re.compile(
    r"^ {0,3}(?P<fence>`{3,}+|~{3,}+).*?(?:^ {0,3}(?P=fence)[`~]*[ \t]*$|\Z)"
    r"|!\[(?P<words>[^\]]*)\]\((?P<picture>[^)]+)\)",
    re.DOTALL | re.MULTILINE,
)
"""Fenced blocks are matched to be passed over: what looks like a picture in them is text."""

CELL = "cell"
"""Name of the confusion matrix's selection."""

FOUND_MORE = {
    "near_duplicates": "texts that nearly repeat another",
    "near_leaks": "texts that nearly stand in the other",
    "conflicts": "texts with another label elsewhere",
    "empty": "empty texts",
}
"""Findings of the audit that are shown only where there are any."""

AS_PUBLISHED, SAME, NOT_COMPARED = "as published", "the same", "–"
"""What `files` says of a file that is as it should be, and of one that was not compared."""

BASELINES = {"tfidf": "TF-IDF with logistic regression", "majority": "Always the commonest label"}


def scores(split: Mapping[str, Any], baselines: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """A row a metric: name, title, meaning, value, low, high, and a column for each baseline."""
    rows = []
    for name, metric in METRICS.items():
        if name in split:
            beside = {key: found.get(name, {}).get("value") for key, found in baselines.items()}
            rows.append({"name": name, "title": metric.title, "meaning": metric.meaning, **split[name], **beside})
    return pd.DataFrame(rows)


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as dictionaries."""
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def headline(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of `scores` that are shown as cards."""
    return [row for row in records(table) if row["name"] in HEADLINE]


def scores_shown(table: pd.DataFrame) -> pd.DataFrame:
    """`scores` as people read them."""
    rows = records(table)
    return pd.DataFrame(
        {
            "Metric": table["title"],
            "Value": [figure(row["value"]) for row in rows],
            "95% interval": [interval(row) for row in rows],
            "TF-IDF": [figure(row["tfidf"]) for row in rows],
            "Majority": [figure(row["majority"]) for row in rows],
            "What it means": table["meaning"],
        }
    )


def confusion(split: Mapping[str, Any], labels: Sequence[str]) -> pd.DataFrame:
    """A row a cell: true, decided, count, and share of the true label's examples."""
    counts = np.array(split["confusion"])
    totals = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return pd.DataFrame(
        {
            "true": np.repeat(labels, len(labels)),
            "decided": np.tile(labels, len(labels)),
            "count": counts.ravel(),
            "share": (counts / totals).ravel(),
        }
    )


def clicked(event: Mapping[str, Any]) -> tuple[str | None, str | None] | None:
    """The labels (true, decided) that a selection on the confusion matrix holds; None when it was cleared.

    Of the name of a row or a column, the other label is None.
    """
    cells = event.get("selection", {}).get(CELL) or []
    return (cells[0]["true"] or None, cells[0]["decided"] or None) if cells else None


def per_class(split: Mapping[str, Any]) -> pd.DataFrame:
    """A row a label: precision, recall, F1 and number of examples, as people read them."""
    rows = split["per_class"]
    figures = {name.capitalize(): [figure(row[name]) for row in rows] for name in ("precision", "recall", "f1")}
    return _table({"Label": [row["label"] for row in rows], **figures, "Examples": [row["n"] for row in rows]})


def class_table(split: Mapping[str, Any]) -> pd.DataFrame:
    """The same with figures in full: label, precision, recall, f1, n."""
    return pd.DataFrame(split["per_class"])


def bars(probabilities: npt.NDArray[np.float64], labels: Sequence[str]) -> pd.DataFrame:
    """A row a label, most probable first: label, index, probability, and the probability as words."""
    frame = pd.DataFrame({"label": labels, "index": range(len(labels)), "probability": probabilities})
    frame["shown"] = [percent(value) for value in frame["probability"]]
    return frame.sort_values("probability", ascending=False, ignore_index=True)


def compared(before: pd.DataFrame, now: pd.DataFrame) -> pd.DataFrame:
    """Two readings' `bars`, labels in one order, as people read them; changes are in percentage points."""
    points = [f"{100 * each:+.1f}" for each in now["probability"] - before["probability"]]
    shown = {"Label": now["label"], "Pinned": before["shown"], "Now": now["shown"]}
    return _table(shown | {"Change, points": points})


def runs_table(runs: Sequence[Run]) -> pd.DataFrame:
    """A row a run as people read it, newest first; a damaged run is a row too, that says so."""
    columns = ["Run", "Test accuracy", "95% interval", "TF-IDF", "Minutes", "State", "Full name", "Encoder"]
    short = short_names([run.name for run in runs])
    rows = [_run_row(run) | {"Run": short[run.name], "Full name": run.name} for run in runs]
    return _table([dict.fromkeys(columns, "") | row for row in rows], columns)


def _run_row(run: Run) -> dict[str, str]:
    row = {"State": "complete" if run.complete else "unfinished"}
    try:
        row["Encoder"] = run.record.recipe.encoder
        return row | (_run_scores(run) if run.complete else {})
    except VerdictError as error:
        return row | {"State": f"damaged: {error}"}
    except (LookupError, TypeError, ValueError):
        return row | {"State": "damaged: its metrics, data or environment lack a figure that they must hold"}


def _run_scores(run: Run) -> dict[str, str]:
    cost, accuracy = run.record.environment["cost"], run.record.metrics["splits"]["test"]["accuracy"]
    return {
        "Test accuracy": figure(accuracy["value"]),
        "95% interval": interval(accuracy),
        "TF-IDF": figure(run.record.data["baselines"]["tfidf"]["accuracy"]["value"]),
        "Minutes": figure(cost["train_seconds"] / 60),
    }


def class_scores(split: Mapping[str, Any]) -> pd.DataFrame:
    """Three rows a label, the label with the highest F1 first: label, index, n, metric, value, and it as written."""
    rows = sorted(enumerate(split["per_class"]), key=lambda each: -each[1]["f1"])
    metrics = {"Precision": "precision", "Recall": "recall", "F1": "f1"}
    return pd.DataFrame(
        {"label": row["label"], "index": index, "n": row["n"], "metric": title, "value": row[key],
         "shown": figure(row[key])}
        for title, key in metrics.items() for index, row in rows
    )  # fmt: skip


def reliability(found: Predictions) -> pd.DataFrame:
    """A row a bin of confidence with examples in it, as the expected calibration error has them.

    Columns: low and high (the bin's ends), confidence (their mean), accuracy with its 95% interval (Wilson's) in
    accuracy_low and accuracy_high, count.
    """
    each = pd.DataFrame({"confidence": found.confidence, "right": found.label == found.decisions})
    bins = each.groupby(np.minimum((found.confidence * BINS).astype(int), BINS - 1))
    frame = bins.agg(confidence=("confidence", "mean"), accuracy=("right", "mean"), count=("right", "size"))
    low, high = wilson(bins["right"].sum(), frame["count"])
    return frame.assign(
        low=frame.index / BINS, high=(frame.index + 1) / BINS, accuracy_low=low, accuracy_high=high
    ).reset_index(drop=True)


def reliabilities(found: Predictions, temperature: float) -> list[tuple[pd.DataFrame, float]]:
    """`reliability` and the expected calibration error, before the logits are divided by the temperature and after."""
    return [(reliability(each), calibration.error(each)) for each in (found, calibration.at(found, temperature))]


def comparison(verdict: Mapping[str, Any], sides: Sequence[str] = ("Local", "Hub")) -> pd.DataFrame:
    """A verdict's metrics as people read them: Metric, both `sides`, Difference, 95% interval."""
    # Verifications of before there were intervals call the sides local and hub.
    rows = [
        {"first": row.get("local"), "second": row.get("hub"), "low": None, "high": None} | row
        for row in verdict["metrics"]
    ]
    figures = {
        title: [figure(row[key]) for row in rows]
        for title, key in zip((*sides, "Difference"), ("first", "second", "difference"), strict=True)
    }
    return pd.DataFrame(
        {"Metric": [METRICS[row["metric"]].title for row in rows]}
        | figures
        | {"95% interval": [interval(row) for row in rows]}
    )


def flips(verdict: Mapping[str, Any], sides: Sequence[str] = ("Local", "Hub")) -> pd.DataFrame:
    """A verdict's flips by direction, most frequent first: True label, what both `sides` decide, Change, Examples."""
    rows = [
        (each["true"], each["first"], each["second"], _change(each), f"{each['n']:,}")
        for each in sorted(verdict.get("flipped", ()), key=lambda each: -each["n"])
    ]
    return _table(rows, ["True label", *sides, "Change", "Examples"])


def _change(flip: Mapping[str, Any]) -> str:
    if flip["true"] in (flip["first"], flip["second"]):
        return "for the better" if flip["true"] == flip["second"] else "for the worse"
    return "wrong both times"


def files(verification: Mapping[str, Any]) -> pd.DataFrame:
    """A verification's files as people read them: File, State, As measured, SHA-256; those with a problem first.

    As measured is the hash on the other side of the comparison, a dash where the file was not compared.
    """
    measured = {each["path"]: each["first"] for each in verification["verdict"].get("files", ())}
    rows = [
        {
            "File": each["path"],
            "State": each["problem"] or AS_PUBLISHED,
            "As measured": _measured(each, measured),
            "SHA-256": each["sha256"] or "not here",
        }
        for each in sorted(verification["files"], key=lambda each: (not each["problem"], each["path"]))
    ]
    return _table(rows, ["File", "State", "As measured", "SHA-256"])


def remarkable_files(listed: pd.DataFrame) -> pd.DataFrame:
    """The rows of `files` that have a problem, or another hash than was measured."""
    return listed[(listed["State"] != AS_PUBLISHED) | ~listed["As measured"].isin([SAME, NOT_COMPARED])]


def files_in_words(verification: Mapping[str, Any]) -> str:
    """Whether a verification's files are those that were published, and those that were measured."""
    listed, pairs = verification["files"], verification["verdict"].get("files", ())
    bad, other = sum(bool(each["problem"]) for each in listed), sum(each["first"] != each["second"] for each in pairs)
    if not listed:
        return "No file was looked at: the repo was refused as the Hub lists it."
    if bad:
        return f"{bad:,} of {len(listed):,} files {'is' if bad == 1 else 'are'} not as published."
    said = f"All {len(listed):,} files are as published."
    if not pairs:
        return said
    compared = f"{other:,} of {len(pairs):,} differ from" if other else f"all {len(pairs):,} that were compared are"
    return f"{said[:-1]}; {compared} those that were measured."


def _measured(file: Mapping[str, Any], measured: Mapping[str, str | None]) -> str:
    if file["path"] not in measured:
        return NOT_COMPARED
    there = measured[file["path"]]
    return SAME if there == file["sha256"] else there or "not there"


def settings(recipe: Recipe) -> pd.DataFrame:
    """The recipe's keys and values, dotted, as text."""
    flat = recipes.flat(recipe)
    return _table({"Setting": flat.keys(), "Value": [plain(value) for value in flat.values()]})


def audit(data: Mapping[str, Any]) -> pd.DataFrame:
    """What is known of the data: sizes, hashes, duplicates, leaks, truncation."""
    found = data["audit"]
    rows = [(f"{name}: examples", f"{split['rows']:,}") for name, split in data["splits"].items()]
    rows += [(f"{name}: SHA-256", split["sha256"]) for name, split in data["splits"].items()]
    rows += [(f"{name}: texts that repeat another", f"{count:,}") for name, count in found["duplicates"].items()]
    rows += [(f"Shared texts: {where}", f"{count:,}") for where, count in found["leaks"].items()]
    rows += [
        (f"{where}: {words}", f"{count:,}")
        for key, words in FOUND_MORE.items()
        for where, count in found.get(key, {}).items()
        if count
    ]
    rows += [(f"{name}: texts cut", percent(share) if share else "none") for name, share in found["truncated"].items()]
    return _table(rows, ["What", "Value"])


def card_parts(card: str) -> list[tuple[str, str, str]]:
    """A model card without its metadata, cut at its pictures: (Markdown, path of the picture after it, its words).

    Nothing that is left in the Markdown is a picture: one may be anywhere, and would be told who looks at the page.
    """
    body = re.sub(r"\A---\n.*?\n---\n", "", card, count=1, flags=re.DOTALL)
    parts, start = [], 0
    for found in _FENCED_OR_PICTURE.finditer(body):
        if picture := found["picture"]:
            parts.append((_without_pictures(body[start : found.start()]), picture, found["words"]))
            start = found.end()
    return [*parts, (_without_pictures(body[start:]), "", "")]


def text_and_code(markdown: str) -> list[tuple[str, str, str]]:
    """Markdown cut at its fenced blocks: (Markdown, content of the block after it, that block's language)."""
    parts, start = [], 0
    for found in _FENCED_OR_PICTURE.finditer(markdown):
        if fence := found["fence"]:
            first, *lines = found[0].splitlines()
            code = lines[:-1] if lines and lines[-1].strip().startswith(fence) else lines
            parts.append((markdown[start : found.start()], "\n".join(code), first.strip().lstrip("`~").strip()))
            start = found.end()
    return [*parts, (markdown[start:], "", "")]


def _without_pictures(markdown: str) -> str:
    # Within code nothing may be escaped; a sign that has no width parts the two that begin a picture there, too.
    return markdown.replace("![", "!\u2060[")


def _table(cells: Any, columns: list[str] | None = None) -> pd.DataFrame:
    # Whoever reads a table can save it for a spreadsheet, and Streamlit writes there what is in the cells.
    return pd.DataFrame(cells, columns=columns).map(as_cell)


def plain(value: Any) -> str:
    """A value of a recipe as text."""
    if isinstance(value, list | tuple):
        short = len(value) < 10 and not any(isinstance(each, Mapping) for each in value)
        return ", ".join(map(str, value)) if short else f"{len(value)} entries"
    return str(value)
