"""Figures and sentences as people read them. Pure."""

import re
import string
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from core.metrics import WITHOUT_LEAKS

if TYPE_CHECKING:
    from core.explain import Explanation
    from core.parity import Parity
    from core.reading import Reading
    from core.recipe import Example

READ = {"head": "the beginning was", "head and tail": "the beginning and the end were"}
"""What was read of a text that was not read whole, by the mode of reading."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_NUMBER = re.compile(r"[+-]?[\d.,]+%?")
_ESCAPES = str.maketrans({character: f"\\{character}" for character in string.punctuation})


def figure(value: float | None) -> str:
    """Three significant digits, in plain notation: 0.935, 12.3, 1,230; at most six decimals."""
    if value is None or not np.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    exponent = int(f"{value:.2e}".partition("e")[2])  # of the rounded value: 0.9996 is 1.00
    if exponent < -6:
        return "under 0.000001" if value > 0 else "over -0.000001"
    return f"{value:,.{min(max(0, 2 - exponent), 6)}f}"


def interval(entry: Mapping[str, float | None]) -> str:
    """`0.907 to 0.956`; a dash where there is none."""
    if pd.isna(entry["low"]):  # None becomes NaN in a frame
        return "–"
    return f"{figure(entry['low'])} to {figure(entry['high'])}"


def as_markdown(text: str) -> str:
    """Text that Markdown shows as it is, line by line: names, messages and reviews may hold anything."""
    # A line that begins with blanks would be code, and one that ends with two is not joined with the next.
    return "  \n".join(line.strip() for line in text.translate(_ESCAPES).splitlines())


def as_line(text: str) -> str:
    """The same on one line, as a row of a table or the name of a button is."""
    return as_markdown(" ".join(text.split()))


def as_cell(value: Any) -> Any:
    """Text that a spreadsheet shows as it is: what begins like a formula gets an apostrophe before it."""
    if isinstance(value, str) and value.startswith(_FORMULA) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def percent(share: float) -> str:
    """A share in percent; certainty is never claimed: 99.97% is `over 99.9%`."""
    if share > 0.999:
        return "over 99.9%"
    if share < 0.001:
        return "under 0.1%"
    return f"{share:.1%}"


def duration(seconds: float) -> str:
    """`45 s`, `12.8 min`, `2.40 h`."""
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    return f"{figure(seconds / 60)} min" if seconds < 3600 else f"{figure(seconds / 3600)} h"


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Names of models as charts and tables have room for: of a run its recipe, with the end of its id where need be.

    `mrpc` for `mrpc/20261121-165210-344b`, or `mrpc 344b` beside another run of it; `demo/x@c0ffee1` for a publication.
    """
    recipes = [name.partition("/")[0] for name in names if "@" not in name]
    short = {
        name: _short_commit(name) if "@" in name else _short_run(name, alone=recipes.count(name.partition("/")[0]) == 1)
        for name in names
    }
    return {name: each if list(short.values()).count(each) == 1 else name for name, each in short.items()}


def _short_run(name: str, *, alone: bool) -> str:
    recipe, _, identifier = name.partition("/")
    return recipe if alone else f"{recipe} {identifier.rpartition('-')[2]}"


def _short_commit(name: str) -> str:
    repo, _, commit = name.partition("@")
    return f"{repo}@{commit[:7]}"


def when(stamp: str | datetime) -> str:
    """`21 November 2026, 06:52 UTC`, from a time that knows its zone, or from ISO 8601."""
    moment = (datetime.fromisoformat(stamp) if isinstance(stamp, str) else stamp).astimezone(UTC)
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"


def bars_in_words(bars: pd.DataFrame) -> str:
    """The confidence bars for those who cannot see them."""
    return "Confidence: " + ", ".join(f"{row.label} {row.shown}" for row in bars.itertuples())


def warnings(reading: "Reading") -> list[str]:
    """What a reader of a classification must know."""
    found = []
    if reading.n_read < reading.n_tokens:
        found.append(
            f"Only {READ[reading.mode]} read: {reading.n_read:,} of {reading.n_tokens:,} tokens (pieces of words). "
            "The rest of the text played no part."
        )
    if reading.unknown > 0.5:
        found.append("The model knows hardly any of these words or signs, so its answer means little.")
    return found


def read_in(reading: "Reading") -> str:
    """How much was read, in how long."""
    pieces = f", in {reading.n_pieces:,} pieces" if reading.n_pieces > 1 else ""
    return f"{reading.n_read:,} of {reading.n_tokens:,} tokens read{pieces} in {reading.seconds * 1000:,.0f} ms"


BACKENDS = {
    "torch": "PyTorch",
    "torch-bf16": "PyTorch in bfloat16",
    "onnx": "ONNX Runtime",
    "onnx-int8": "ONNX Runtime in eight bits",
    "openvino": "OpenVINO",
    "openvino-bf16": "OpenVINO in bfloat16",
}
"""What executes a model, for people."""


def gate(parity: "Parity | None") -> str:
    """How what executes the model compares with what measured it."""
    if parity is None:
        return "The model is executed as it was when it was measured. (Backend: the reference, PyTorch in float32.)"
    return (
        f"The fastest here of what decides as the reference does. On this machine, all {parity.n} texts of the model's "
        f"golden batch are decided alike, and no probability is off by more than {parity.largest:.1g}. (Parity gate.)"
    )


def beginning(text: str, most: int = 200) -> str:
    """The first characters of a text, on one line."""
    return as_line(text[:most]) + (" …" if len(text) > most else "")


def example_name(example: "Example") -> str:
    """What an example to try is called: what makes it hard, and its text."""
    texts = " / ".join(as_line(text) for text in (example.text, example.text_pair) if text)
    return f"**{as_line(example.tag)}** · {texts}" if example.tag else texts


def listed(words: Sequence[str]) -> str:
    """`“dull”, “not one”`, in Markdown."""
    return ", ".join(f"“{as_line(word)}”" for word in words)


def why(found: "Explanation", label: str) -> str:
    """The words that weighed most, for those who do not see the colours as for those who do."""
    carried, opposed = found.strongest()
    parts = [f"Most for **{as_markdown(label)}**: {listed(carried)}."] if carried else []
    parts += [f"Most against it: {listed(opposed)}."] if opposed else []
    return " ".join(parts) or "No word moves the answer."


def faithfulness(found: "Explanation") -> str:
    """What becomes of the confidence without the weightiest words, beside as many that were drawn by chance."""
    return (
        f"Without the words that weigh most, the confidence changes by {_points(-found.comprehensiveness)} on average; "
        f"without as many drawn by chance, by {_points(-found.random_comprehensiveness.mean())}. With nothing but the "
        f"words that weigh most it changes by {_points(-found.sufficiency)}; with as many drawn by chance alone, by "
        f"{_points(-found.random_sufficiency.mean())}."
    )


def _points(change: float) -> str:
    """Of a share, in percentage points."""
    return f"{100 * change:+.1f} points"


def beside(row: Mapping[str, Any]) -> str:
    """A score's interval and baselines, each on a line: `0.907 to 0.956`, `TF-IDF 0.84`, `majority 0.5`."""
    return f"{interval(row)}  \nTF-IDF {figure(row['tfidf'])}  \nmajority {figure(row['majority'])}"


def leaks(splits: Mapping[str, Mapping[str, Any]]) -> str:
    """What becomes of the test accuracy without the texts that were read before; empty where there are none."""
    if WITHOUT_LEAKS not in splits:
        return ""
    without = splits[WITHOUT_LEAKS]
    accuracy, n = without["accuracy"], without["n"]
    return (
        f"Of the test texts, {splits['test']['n'] - n:,} stand in training or validation, too. "
        f"Without them, accuracy is {figure(accuracy['value'])} (95% interval {interval(accuracy)}, {n:,} examples)."
    )


def example_text(row: Mapping[str, Any]) -> str:
    """An example's text, or why there is none."""
    if not isinstance(row.get("text"), str):
        return "*The text is not published with this model, and the data set is not on this machine.*"
    pair = row.get("text_pair")
    return as_markdown(row["text"]) + (f"\n\n{as_markdown(pair)}" if isinstance(pair, str) and pair else "")
