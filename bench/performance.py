"""docs/performance.md from bench/results/: what was measured, on which processor, and by which command.

    python -m bench.performance

What each optimisation was expected to give is told in bench/optimisations.md, which becomes the page's last part.
"""

import json
from collections.abc import Callable
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import altair as alt
import pandas as pd

from bench.million import rows as interactions
from core.files import PROJECT, write_text

RESULTS, PAGE = Path(__file__).parent / "results", PROJECT / "docs" / "performance.md"
PICTURES = PROJECT / "docs" / "performance"
LAST = Path(__file__).parent / "optimisations.md"
INTRODUCTION = """# Speed

Every figure is a median measured by the command above its table, side by side with what it is compared with, by turns.
They are of one machine: ratios carry over better than times. `python -m bench.performance` writes this page.
"""
Found = dict[str, Any]


def main() -> None:
    """Write the page, with the parts whose results are there."""
    parts = [INTRODUCTION]
    for name, part in PARTS.items():
        path = RESULTS / f"{name}.json"
        if path.is_file():
            parts.append(part(json.loads(path.read_text(encoding="utf-8"))))
    parts.append(LAST.read_text(encoding="utf-8"))
    write_text(PAGE, "\n".join(parts))


def single(found: Found) -> str:
    """One review at a time."""
    rows = [
        [
            model,
            length,
            reader + (" (auto)" if reader == each["auto"] else ""),
            f"{seconds * 1000:.1f}",
            f"{times['pipeline'] / seconds:.1f}",
            _gate(each["gate"].get(reader)),
        ]
        for model, each in found["models"].items()
        for length, times in each["seconds"].items()
        for reader, seconds in times.items()
    ]
    columns = ["Model", "Tokens", "Read by", "Milliseconds", "Times faster than `pipeline`", "Parity gate"]
    return _section("One review", "bench.single RUN", found, _table(columns, rows))


def bulk(found: Found) -> str:
    """Thousands of reviews."""
    rows = [
        [
            model, f"{each['n']:,}", f"{each['n'] / each['pipeline_seconds']:.1f}",
            f"{each['n'] / each['seconds']:.1f}", f"{each['faster']:.1f}", each["backend"],
            f"{each['changed']} (and {each['near']} within 0.01 of the threshold)",
            f"{each['largest']:.4f}", f"{each['share']:.2f} ({each['share_done']:.2f}; {each['pipeline_share']:.2f})",
        ]
        for model, each in found["models"].items()
    ]  # fmt: skip
    columns = [
        "Model", "Reviews", "`pipeline(batch_size=32)`, reviews/s", "Ours, reviews/s", "Times faster", "Backend",
        "Decisions changed", "Largest change of a probability",
        "Share of a large matrix product's rate (without what is left out of the last layer; the pipeline's)",
    ]  # fmt: skip
    return _section("Many reviews, of up to 256 tokens", "bench.bulk RUN imdb.parquet", found, _table(columns, rows))


def training(found: Found) -> str:
    """Training steps."""
    rows = []
    for model, ways in found["models"].items():
        first = next(iter(ways.values()))
        for way, each in ways.items():
            rows.append(
                [
                    model, way, f"{each['tokens_per_second']:,.0f}",
                    f"{each['tokens_per_second'] / first['tokens_per_second']:.1f}",
                    f"{each['peak_bytes'] / 1e9:.2f} ({each['peak_bytes'] / first['peak_bytes']:.2f})",
                    f"{each['share']:.2f} of {each['peak_flops'] / 1e12:.2f} TFLOP/s",
                ]
            )  # fmt: skip
    columns = [
        "Model",
        "Recipe",
        "Tokens/s",
        "Times faster",
        "Peak memory, GB (of theirs)",
        "Share of a large matrix product's rate",
    ]
    said = [
        f"{way}: accuracy {mean(each):.3f} ± {stdev(each):.3f}, {len(each)} seeds, {found['whole']} steps, new reviews."
        for way, each in found["accuracy"].items()
    ]
    body = "\n".join([_table(columns, rows), *(f"{line}\n" for line in said)])
    return _section("Training on IMDb at 256 tokens", "bench.training imdb.parquet", found, body)


def parts(found: Found) -> str:
    """Parts of a training step."""
    rows = [
        [
            each["model"], each["part"], f"{each['pytorch_ms']:.1f}", f"{each['ours_ms']:.1f}",
            f"{each['pytorch_ms'] / each['ours_ms']:.1f}",
        ]
        for each in found["parts"]
    ]  # fmt: skip
    columns = ["Model", "Part, there and back", "PyTorch, ms", "Ours, ms", "Times faster"]
    title = "Parts of a training step, in one layer, for 16 texts of 256 tokens"
    return _section(title, "bench.parts", found, _table(columns, rows))


def cold(found: Found) -> str:
    """From a process's start."""
    plain, ours = found["median"]["plain"], found["median"]["ours"]
    rows = [
        [
            what,
            f"{plain[step]:.2f}",
            f"{ours[step]:.2f}",
            f"{ours[step] / plain[step]:.2f}",
            f"{found['first'][step]:.2f}",
        ]
        for step, what in enumerate(("First page", "First bars"))
    ]
    columns = ["", "Plain app, seconds", "Ours, seconds", "Ours / plain", "Ours with a model never tried here, seconds"]
    return _section("Cold start", "bench.cold RUN", found, _table(columns, rows))


def growth(found: Found) -> str:
    """Lengths, rows, sessions."""
    parts = []
    for kind, x, y in (
        ("lengths", "tokens", "tokens_per_second"),
        ("rows", "rows", "peak_gb"),
        ("sessions", "sessions", "reviews_per_second"),
    ):
        frame = pd.DataFrame(found[kind])
        named = {column: column.replace("_", " ").replace("peak gb", "peak memory, GB") for column in frame}
        picture = PICTURES / f"{kind}.png"
        picture.parent.mkdir(exist_ok=True)
        chart = alt.Chart(frame.rename(columns=named), width=480, height=240).mark_line(point=True)
        scale = alt.Scale(type="log")
        lowest = alt.Y(named[y], scale=alt.Scale(zero=True))
        chart.encode(x=alt.X(named[x], scale=scale), y=lowest).save(picture, scale_factor=2)
        shown = frame.rename(columns=named).map(
            lambda value: f"{value:,.3g}" if isinstance(value, float) else f"{value:,}"
        )
        alt_text = f"{named[y]} against {named[x]}"
        parts += [_table(list(shown), shown.to_numpy().tolist()), f"![{alt_text}](performance/{picture.name})\n"]
    return _section(f"How cost grows ({found['backend']})", "bench.growth RUN", found, "\n".join(parts))


def million(found: Found) -> str:
    """A page over many predictions."""
    parts = []
    for k, each in found["labels"].items():
        rows = [
            [kind, f"{usual:.2f}", f"{most:.2f}", "" if again is None else f"{again:.2f}"]
            for kind, usual, most, again in interactions(each)
        ]
        columns = ["Interaction", "Seconds at the server", "At most", "Again"]
        parts += [f"{k} labels, peak memory {each['peak_gb']:.2f} GB:\n", _table(columns, rows)]
    title = f"The Evaluation page over {found['examples']:,} predictions"
    return _section(title, "bench.million", found, "\n".join(parts))


PARTS: dict[str, Callable[[Found], str]] = {
    "single": single, "bulk": bulk, "training": training, "parts": parts, "cold": cold, "growth": growth,
    "million": million,
}  # fmt: skip


def _section(title: str, command: str, found: Found, body: str) -> str:
    return f"## {title}\n\n`python -m {command}`, on {found['processor']}.\n\n{body}"


def _table(columns: list[str], rows: list[list[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def _gate(gate: Found | None) -> str:
    return "" if gate is None else f"{'passed' if gate['passed'] else 'failed'} ({gate['largest']:.4f})"


if __name__ == "__main__":
    main()
