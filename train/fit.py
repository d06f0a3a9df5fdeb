"""Recipe -> run: load, audit, train, predict, measure, complete."""

import logging
import shutil
from typing import Any

from tqdm import tqdm

from core import card, data, metrics, predictor, runs
from core.data import Splits
from core.files import sha256, write_text
from core.metrics import Outcome
from core.predictor import Progress
from core.recipe import Recipe
from core.runs import SCHEMA, Run
from train import baselines, encoders, environment, pictures
from train.engines import ENGINES

log = logging.getLogger("verdict")

MEASURED = ("validation", "test")
"""The splits whose predictions a run keeps; test is read here, once, after all choices are made."""


def fit(recipe: Recipe) -> Run:
    """Train `recipe` and measure the result. Raises VerdictError; what was written until then looks incomplete."""
    splits = data.load_splits(recipe)
    encoder = encoders.resolve(recipe.encoder)
    encoder.require_positions(recipe.training.max_tokens)
    recipe = recipe.model_copy(update={"encoder": encoder.name})
    run = runs.create(recipe)
    log.info("Run %s: %s", run.name, ", ".join(f"{len(frame)} {name}" for name, frame in splits.items()))
    log.info("Audit and baselines")
    described = data.describe(splits, recipe.labels) | {"baselines": baselines.score(splits, recipe)}
    cost = ENGINES[recipe.engine](recipe, splits, encoder, run)
    described["audit"]["truncated"] = _predict(run, splits)
    run.write_json("data.json", described)
    made_with = environment.describe(recipe.seed) | {"cost": cost, "encoder_sha256": encoder.sha256}
    run.write_json("environment.json", made_with | {"base_model": encoder.base_model})
    _complete(run, recipe)
    return run


def _predict(run: Run, splits: Splits) -> dict[str, float]:
    """Store the saved model's predictions; returns the share of truncated texts per split, training included."""
    model = predictor.load(run.model)
    shares = {"train": model.truncated_share(splits["train"])}
    for name in MEASURED:
        with tqdm(total=len(splits[name]), desc=f"Predicting {name}", unit="text") as bar:
            found = predictor.predict_split(model, splits[name], _on(bar))
        run.write_predictions(name, found)
        shares[name] = float(found.truncated.mean())
    return shares


def _on(bar: "tqdm[Any]") -> Progress:
    return lambda done, n: bar.update(done - bar.n)


def _complete(run: Run, recipe: Recipe) -> None:
    """Derive metrics, pictures and card from the stored predictions; metrics.json comes last and completes the run."""
    log.info("Deriving metrics with intervals")
    derived = {
        "schema": SCHEMA,
        "labels": list(recipe.labels),
        "splits": {name: _summary(run, name, recipe) for name in MEASURED},
    }
    pictures.write(run, derived)
    derived["sha256"] = {
        path.relative_to(run.path).as_posix(): sha256(path)
        for pattern in ("*.json*", "model/*", "pictures/*", "predictions/*", "recipe.toml")
        for path in sorted(run.path.glob(pattern))
    }
    write_text(run.path / "card.md", card.render(run.record, derived))
    shutil.rmtree(run.path / "checkpoints", ignore_errors=True)  # a complete run is never resumed
    run.write_json("metrics.json", derived)


def _summary(run: Run, split: str, recipe: Recipe) -> dict[str, Any]:
    found = run.record.predictions(split)
    return metrics.summary(Outcome.of_logits(found.logits, found.label), recipe.labels)
