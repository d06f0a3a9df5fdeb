"""Training a run again from what it recorded."""

from dataclasses import dataclass
from typing import Any

from core import recipe as recipes
from core import verdict
from core.errors import RunError
from core.files import sha256
from core.model_files import WEIGHTS
from core.runs import Run
from core.verdict import Kind, Verdict
from train.fit import fit


@dataclass(frozen=True)
class Reproduction:
    """A run trained again."""

    run: Run
    """the new one"""
    verdict: Verdict
    """the new predictions on the test split against the old"""
    differences: dict[str, tuple[Any, Any]]
    """what went in or came out differently: (then, now)"""

    @property
    def same(self) -> bool:
        """Whether weights and predictions are equal to the byte."""
        return self.verdict.kind is Kind.IDENTICAL

    @property
    def sentence(self) -> str:
        """What came of it."""
        if self.same:
            return "the same to the byte, weights and predictions."
        return f"not the same bytes. {self.verdict.sentence}"


def reproduce(run: Run) -> Reproduction:
    """Train `run`'s recipe again, as a new run, and compare. Raises RunError for a run that is not complete."""
    if not run.complete:
        raise RunError(f"{run.name} is not complete, so there is nothing to compare with. Go on with it: fit --resume.")
    again = fit(run.record.recipe)
    old, new = (each.record.predictions("test") for each in (run, again))
    weights = {WEIGHTS: (sha256(run.model / WEIGHTS), sha256(again.model / WEIGHTS))}
    found = verdict.compare(old, new, run.record.labels, again.record.labels, weights)
    return Reproduction(again, found, differences(run, again))


def differences(run: Run, again: Run) -> dict[str, tuple[Any, Any]]:
    """What the two recorded differently, but for time and cost: recipe, data, encoder, environment, weights, scores."""
    sides = [_facts(run), _facts(again)]
    return {name: (sides[0].get(name), sides[1].get(name)) for name in sides[0] if sides[0][name] != sides[1].get(name)}


def _facts(run: Run) -> dict[str, Any]:
    made_with = {key: value for key, value in run.record.environment.items() if key != "cost"}
    packages = made_with.pop("packages")
    scores = run.record.metrics["splits"]["test"]
    return {
        **recipes.flat(run.record.recipe),
        **{f"data {name}": split["sha256"] for name, split in run.record.data["splits"].items()},
        **made_with,
        **packages,
        "weights": sha256(run.model / WEIGHTS),
        **{name: entry["value"] for name, entry in scores.items() if isinstance(entry, dict)},
    }
