"""Runs -> a page of results beside the figures that others report. Nothing in it is typed.

What the page comes from is kept beside it, so that a page written on another machine shows these runs, too.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core import recipe as recipes
from core import runs
from core.errors import RunError, VerdictError
from core.files import write_text
from core.metrics import METRICS, WITHOUT_LEAKS
from core.recipe import Recipe
from core.runs import Run
from core.wording import as_markdown, figure, interval
from train import confidence
from train.seeds import mean_and_deviation

NO_MATTER = ("title", "publish", "reported", "goal", "track", "data.slices")
"""Parts of a recipe that move no score."""

KEPT = ("data.json", "environment.json", "metrics.json")
"""Files of a run that the page needs, besides its recipe."""

COLUMNS = (
    "recipe", "encoder", "engine", "n test", "accuracy", "F1 (macro)", "goal", "reported accuracy", "TF-IDF",
    "majority", "accuracy without leaked rows", "minutes", "tokens per second", "peak GiB",
)  # fmt: skip

HEADER = """# Results

Written by `python -m train results` from the runs that are on this machine, and from the records of others in the
folder beside this page; what is changed here by hand is lost.

Accuracy and F1 are of the test split, with their 95% interval; of several seeds, the mean ± the standard deviation of a
single run. *Goal* is the accuracy that the recipe is to reach with this encoder; *reported* is what others report.
TF-IDF (with logistic regression) and majority (always the commonest label) are the accuracies of baselines on the same
test split. A leaked row is one whose text stands in the training or the validation split, too. Minutes and tokens per
second are those of training, a mean over seeds; peak memory is the largest of any seed, while training."""


@dataclass(frozen=True)
class Entry:
    """What the page needs of a complete run."""

    run: Run
    recipe: Recipe
    test: Mapping[str, Any]
    """the split's entry in metrics.json"""
    without_leaks: Mapping[str, Any]
    """the same without leaked rows; empty where the run has none"""
    data: str
    """SHA-256 of the test split"""
    tfidf: float
    majority: float
    minutes: float
    tokens_per_second: float
    peak_gib: float
    machine: str

    @property
    def name(self) -> str:
        """`recipe/id`."""
        return self.run.name

    @property
    def group(self) -> str:
        """Equal for runs that differ in nothing but the seed."""
        kept = {key: value for key, value in recipes.flat(self.recipe).items() if _matters(key) and key != "seed"}
        return json.dumps([kept, self.data])


Groups = list[list[Entry]]
"""Runs that differ in nothing but the seed, together."""


def write(path: Path, shipped: Sequence[Recipe]) -> None:
    """Write the page, and keep the records that it comes from in a folder beside it. Raises OSError."""
    kept = path.with_suffix("")
    here = runs.every()
    known = {run.name for run in here}
    found = [*here, *(run for run in runs.every(kept) if run.name not in known)]
    write_text(path, page(shipped, found, kept))
    for entry in [entry for group in _groups(here)[0] for entry in group]:
        _keep(entry.run, kept / entry.name)


def _keep(run: Run, folder: Path) -> None:
    """Copy what the page needs of a run; of a file or a folder on this machine, the recipe has the name alone."""
    recipe = run.record.recipe
    data = recipe.data.model_copy(update={"file": Path(recipe.data.file).name})
    encoder = Path(recipe.encoder).name if Path(recipe.encoder).is_absolute() else recipe.encoder
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "recipe.toml", recipes.dumps(recipe.model_copy(update={"data": data, "encoder": encoder})))
    for name in KEPT:
        write_text(folder / name, (run.path / name).read_text(encoding="utf-8"))


def page(shipped: Sequence[Recipe], found: Sequence[Run] | None = None, kept: Path | None = None) -> str:
    """The whole page: the `shipped` recipes in their order, then those that come from elsewhere.

    It is of the runs `found`, by default all on this machine; what else was measured of them lies in `kept`.
    """
    groups, damaged = _groups(runs.every() if found is None else found)
    trust, unreadable = _confidence(groups, kept) if kept else ([], [])
    rows, sections = [], []
    for recipe in [*shipped, *_others(groups, shipped)]:
        own = [group for group in groups if group[0].recipe.name == recipe.name]
        rows += [_row(group, recipe) for group in own] or [_no_row(recipe)]
        sections.append(_section(recipe, own))
    left_out = [f"Left out: `{name}`. {as_markdown(why)}" for name, why in [*damaged, *unreadable]]
    return "\n\n".join([HEADER, _table(COLUMNS, rows, words=3), *trust, *sections, *left_out]) + "\n"


def _confidence(groups: Groups, kept: Path) -> tuple[list[str], list[tuple[str, str]]]:
    """The section on confidence, of the runs of which it was measured; and which measurements are damaged, and why."""
    explained: list[Sequence[str]] = []
    covered: list[Sequence[str]] = []
    damaged = []
    for entry in [entry for group in groups for entry in group]:
        names = _names(entry.recipe)[:2]
        try:
            if found := confidence.read(kept / entry.name):
                row, rows = confidence.explained(names, found), confidence.covered(names, found)
                explained.append(row)
                covered += rows
        except RunError as error:
            damaged.append((entry.name, str(error)))
        except (LookupError, TypeError, ValueError):
            damaged.append((entry.name, f"Its {confidence.FILE} lacks a figure that it must hold."))
    if not explained:
        return [], damaged
    tables = [_table(confidence.EXPLAINED, explained, words=2), _table(confidence.COVERED, covered, words=2)]
    return ["## Confidence", confidence.WORDS, *tables], damaged


def apart(one: Recipe, other: Recipe) -> dict[str, tuple[str, str]]:
    """The settings that could move a score and in which two recipes differ, with both values as text."""
    found = recipes.differences(one, other)
    return {key: (_shown(key, mine), _shown(key, theirs)) for key, (mine, theirs) in found.items() if _matters(key)}


def _groups(found: Sequence[Run]) -> tuple[Groups, list[tuple[str, str]]]:
    """The newest complete run of each recipe, encoder, engine and seed, grouped; and which are damaged, and why."""
    groups: dict[str, list[Entry]] = {}
    damaged, seen = [], set()
    newest = sorted(found, key=lambda run: run.path.name, reverse=True)
    for run in [run for run in newest if run.complete]:
        try:
            recipe = run.record.recipe
            if (key := (recipe.name, recipe.encoder, recipe.engine, recipe.seed)) not in seen:
                entry = _entry(run)
                groups.setdefault(entry.group, []).append(entry)
                seen.add(key)
        except VerdictError as error:
            damaged.append((run.name, str(error)))
        except (LookupError, TypeError, ValueError):
            damaged.append((run.name, "Its metrics, data or environment lack a figure that they must hold."))
    ordered = [sorted(group, key=lambda entry: entry.recipe.seed) for group in groups.values()]
    return sorted(ordered, key=lambda group: (*_names(group[0].recipe), group[0].recipe.seed)), damaged


def _others(groups: Groups, shipped: Sequence[Recipe]) -> list[Recipe]:
    """The recipe of a group's first run, for every name that is not among those shipped."""
    known = {recipe.name for recipe in shipped}
    return list(
        {group[0].recipe.name: group[0].recipe for group in groups if group[0].recipe.name not in known}.values()
    )


def _entry(run: Run) -> Entry:
    """Raises VerdictError, LookupError, TypeError or ValueError where the run is damaged."""
    record = run.record
    splits, environment, cost = record.metrics["splits"], record.environment, record.environment["cost"]
    device = [] if environment["device"] == "cpu" else [environment["device"]]
    return Entry(
        run=run,
        recipe=record.recipe,
        test=splits["test"],
        without_leaks=splits.get(WITHOUT_LEAKS, {}),
        data=record.data["splits"]["test"]["sha256"],
        tfidf=float(record.data["baselines"]["tfidf"]["accuracy"]["value"]),
        majority=float(record.data["baselines"]["majority"]["accuracy"]["value"]),
        minutes=cost["train_seconds"] / 60,
        tokens_per_second=float(cost["tokens_per_second"]),
        peak_gib=cost["peak_memory_bytes"] / 2**30,
        machine=", ".join([*device, environment["processor"], f"{environment['threads']} threads"]),
    )


def _row(group: Sequence[Entry], recipe: Recipe) -> tuple[str, ...]:
    """The group's line of the table."""
    newest = group[0]
    tests, clean = [entry.test for entry in group], [entry.without_leaks for entry in group]
    return (
        *_names(newest.recipe),
        f"{newest.test['n']:,}",
        _score(tests, "accuracy"),
        _score(tests, "f1_macro"),
        _goal(tests, recipe.goal.get(newest.recipe.encoder)),
        figure(recipe.reported.get("accuracy")),
        figure(newest.tfidf),
        figure(newest.majority),
        _score(clean, "accuracy"),
        figure(float(np.mean([entry.minutes for entry in group]))),
        f"{np.mean([entry.tokens_per_second for entry in group]):,.0f}",
        f"{max(entry.peak_gib for entry in group):.2f}",
    )


def _no_row(recipe: Recipe) -> tuple[str, ...]:
    empty = ["–"] * len(COLUMNS)
    empty[:3] = _names(recipe)
    empty[COLUMNS.index("accuracy")] = "not trained yet"
    empty[COLUMNS.index("reported accuracy")] = figure(recipe.reported.get("accuracy"))
    return tuple(empty)


def _goal(splits: Sequence[Mapping[str, Any]], goal: float | None) -> str:
    """The accuracy that was to be reached, and whether it was, by the mean over seeds."""
    if goal is None:
        return "–"
    mean, _ = mean_and_deviation([split["accuracy"]["value"] for split in splits])
    return f"{figure(goal)}, {'reached' if mean >= goal else '**not reached**'}"


def _names(recipe: Recipe) -> tuple[str, str, str]:
    return recipe.name, _shown("encoder", recipe.encoder), recipe.engine


def _score(splits: Sequence[Mapping[str, Any]], name: str) -> str:
    """A metric of a split, with its interval; of several, mean ± standard deviation."""
    found = [split[name] for split in splits if name in split]
    if not found:
        return "–"
    mean, deviation = mean_and_deviation([entry["value"] for entry in found])
    if deviation is None:
        return f"{figure(mean)} ({interval(found[0])})"
    return f"{figure(mean)} ± {figure(deviation)}, {len(found)} seeds"


def _section(recipe: Recipe, groups: Groups) -> str:
    """A recipe's part of the page: which runs, with which settings, and every metric that is reported."""
    parts = [f"## {recipe.name}", f"{recipe.title}."]
    parts += [_described(group, recipe) for group in groups] or [
        f"Not trained yet: `python -m train fit {recipe.name}`."
    ]
    if recipe.reported:
        columns = ["metric", "reported", *(" ".join(_names(group[0].recipe)[1:]) for group in groups)]
        parts.append(_table(columns, [_reported_row(*each, groups) for each in recipe.reported.items()]))
    return "\n\n".join(parts)


def _described(group: Sequence[Entry], recipe: Recipe) -> str:
    """Which runs these are, where they were trained, and which of their settings are not `recipe`'s."""
    _, encoder, engine = _names(group[0].recipe)
    made = ", ".join(f"`{entry.name}` (seed {entry.recipe.seed})" for entry in group)
    machines = "; ".join(sorted({entry.machine for entry in group}))
    other = {key: values for key, values in apart(group[0].recipe, recipe).items() if key != "seed"}
    listed = "; ".join(f"`{key}` {mine}, not {theirs}" for key, (mine, theirs) in other.items())
    settings = f"Other settings than the recipe's: {listed}." if other else "All settings are the recipe's."
    return f"**{encoder}, {engine}**: {made}, on {machines}. {settings}"


def _reported_row(metric: str, value: float, groups: Groups) -> tuple[str, ...]:
    title = METRICS[metric].title if metric in METRICS else metric
    return (title, figure(value), *(_score([entry.test for entry in group], metric) for group in groups))


def _matters(key: str) -> bool:
    return not {key, key.split(".")[0]} & set(NO_MATTER)


def _shown(key: str, value: Any) -> str:
    """A setting as text; commits are short, and of a file or a folder only the name is said."""
    if isinstance(value, str) and key in ("encoder", "data.hub", "data.file"):
        name, at, commit = value.partition("@")
        value = f"{name}@{commit[:7]}" if at else Path(name).name
    if isinstance(value, list | tuple):
        value = ", ".join(map(str, value))
    return str(value) or "nothing"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1) -> str:
    """A Markdown table; the first columns, so many, hold words, the others figures."""
    lines = [columns, ["---"] * words + ["---:"] * (len(columns) - words), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
