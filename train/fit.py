"""Recipe -> run: load, audit, train, predict, measure, complete. A run that was interrupted is resumed where it was."""

import errno
import gc
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from accelerate.utils.memory import should_reduce_batch_size
from filelock import FileLock, Timeout
from safetensors import SafetensorError
from tqdm import tqdm

from core import audit, calibration, card, data, metrics, predictor, runs, streaming
from core.data import Splits
from core.errors import DataError, RunError
from core.files import sha256, write_text
from core.metrics import Outcome
from core.predictions import Predictions
from core.predictor import Progress
from core.recipe import Recipe
from core.runs import SCHEMA, Run
from train import baselines, encoders, environment, lean, precision, tracking
from train.cost import measured
from train.encoders import Encoder
from train.engines import ENGINES
from train.engines.start import Job, learned

log = logging.getLogger("verdict")

MEASURED = ("validation", "test")
"""The splits whose predictions a run keeps; test is read here, once, after all choices are made."""


def fit(recipe: Recipe) -> Run:
    """Train `recipe` and measure the result. Raises VerdictError; what was written until then looks incomplete."""
    lean.economise()
    tracking.require(recipe)
    splits, encoder = data.load_splits(recipe), _encoder(recipe)
    settings = recipe.training.model_copy(update={"precision": precision.choose(recipe.training.precision)})
    recipe = recipe.model_copy(update={"encoder": encoder.name, "training": settings})
    run = runs.create(recipe)
    log.info("Run %s: %s", run.name, ", ".join(f"{len(frame)} {name}" for name, frame in splits.items()))
    with _guarded(run):
        run.write_json("data.json", _described(splits, recipe))
        _finish(run, recipe, splits, encoder)
    return run


def resume(run: Run) -> Run:
    """Go on with a run that was interrupted; it ends as if it had not been.

    Raises RunError when there is nothing to go on with, DataError when the data set is not what it was.
    """
    if run.complete:
        raise RunError(f"{run.name} is complete: there is nothing to resume. `fit` trains its recipe anew.")
    lean.economise()
    recipe = run.record.recipe
    tracking.require(recipe)
    splits, encoder = data.load_splits(recipe), _encoder(recipe)
    with _guarded(run):
        if not (run.path / "data.json").is_file():
            run.write_json("data.json", _described(splits, recipe))
        if any(run.record.data["splits"][name]["sha256"] != data.fingerprint(splits[name]) for name in splits):
            raise DataError(f"The data of {run.name} changed since it began; train it anew: fit {recipe.name}.")
        _finish(run, recipe, splits, encoder)
    return run


def _encoder(recipe: Recipe) -> Encoder:
    encoder = encoders.resolve(recipe.encoder)
    encoder.require_positions(recipe.training.max_tokens)
    return encoder


def _described(splits: Splits, recipe: Recipe) -> dict[str, Any]:
    log.info("Audit and baselines")
    described = audit.describe(splits, recipe.labels) | {"baselines": baselines.score(splits, recipe)}
    if recipe.data.url:  # the only revision that such a source has
        described["origins"] = streaming.origins(recipe.data, recipe.labels)
    return described


def _finish(run: Run, recipe: Recipe, splits: Splits, encoder: Encoder) -> None:
    phases: dict[str, Any] = {}
    with measured(phases, "training"), tracking.open(recipe, run) as tracked:

        def log_entry(entry: dict[str, Any]) -> None:
            run.log(entry)
            tracked.log(entry)

        cost = _train(Job(recipe, learned(splits, recipe), encoder, run, log_entry))
    described = run.record.data
    with measured(phases, "prediction"):
        described["audit"]["truncated"] = _predict(run, splits, recipe.training.last_tokens)
    _write_slices(run, recipe, splits)
    run.write_json("data.json", described)
    cost |= {"peak_memory_bytes": phases["training"]["peak_memory_bytes"], "phases": phases}
    made_with = environment.describe(recipe.seed) | {"cost": cost, "encoder_sha256": encoder.sha256}
    run.write_json("environment.json", made_with | {"base_model": encoder.base_model})
    _complete(run, recipe)


def _train(job: Job) -> dict[str, Any]:
    """Train with as many texts at a time as memory has room for; fewer at a time make the same steps, slower."""
    size = job.recipe.training.batch_size
    micro_batch: int | None = job.recipe.training.micro_batch or size
    while micro_batch:
        try:
            return ENGINES[job.recipe.engine](job, micro_batch) | {"micro_batch": micro_batch}
        except Exception as error:
            smaller = next((n for n in range(micro_batch // 2, 0, -1) if size % n == 0), None)
            if smaller is None or not should_reduce_batch_size(error):
                raise
            log.warning("Out of memory with %d texts at a time; going on with %d.", micro_batch, smaller)
        finally:
            gc.collect()  # what the attempt held: a trainer and its callbacks know each other
            lean.release()
        micro_batch = smaller
    raise AssertionError("unreachable: the last attempt returns or raises")


def _predict(run: Run, splits: Splits, learned_tokens: int) -> dict[str, float]:
    """Store the saved model's predictions; returns the share of truncated texts per split, training included."""
    model = predictor.load(run.model)
    shares = {"train": model.truncated_share(splits["train"], learned_tokens)}
    for name in MEASURED:
        with tqdm(total=len(splits[name]), desc=f"Predicting {name}", unit="text") as bar:
            found = predictor.predict_split(model, splits[name], _on(bar))
        run.write_predictions(name, found)
        shares[name] = float(found.truncated.mean())
    return shares


def _write_slices(run: Run, recipe: Recipe, splits: Splits) -> None:
    """Store what examples are grouped by to see where the model fails."""
    conflicting = audit.conflicting(splits)
    for name in MEASURED:
        columns = splits[name][["id", *recipe.data.slices]]
        run.write_slices(name, columns.assign(conflict=conflicting[name]))


def _on(bar: "tqdm[Any]") -> Progress:
    return lambda done, n: bar.update(done - bar.n)


def _complete(run: Run, recipe: Recipe) -> None:
    """Derive metrics, pictures and card from the stored predictions; metrics.json comes last and completes the run."""
    from train import pictures  # the libraries that draw take memory, which training may need

    log.info("Deriving metrics with intervals")
    derived = {
        "schema": SCHEMA,
        "labels": list(recipe.labels),
        "temperature": calibration.fit(run.record.predictions("validation")),
        "splits": {name: _summary(found, recipe) for name, found in audit.measured(run.record).items()},
    }
    pictures.write(run, derived)
    derived["sha256"] = {
        path.relative_to(run.path).as_posix(): sha256(path)
        for pattern in ("*.json*", "model/*", "pictures/*", "predictions/*", "slices/*", "recipe.toml")
        for path in sorted(run.path.glob(pattern))
    }
    write_text(run.path / "card.md", card.render(run.record, derived))
    run.write_json("metrics.json", derived)
    shutil.rmtree(run.path / "checkpoints", ignore_errors=True)  # a complete run is never resumed


def _summary(found: Predictions, recipe: Recipe) -> dict[str, Any]:
    return metrics.summary(Outcome.of_logits(found.logits, found.label), recipe.labels)


@contextmanager
def _guarded(run: Run) -> Iterator[None]:
    """Train a run once at a time, and tell how to go on when it is interrupted."""
    again = f"Continue with: python -m train fit --resume {run.name}"
    lock = FileLock(run.lock, timeout=1)  # a page that asks who has it holds it for a moment
    try:
        run.lock.parent.mkdir(exist_ok=True)
        with lock:
            yield
    except Timeout:
        raise RunError(f"{run.name} is being trained by another process.") from None
    except KeyboardInterrupt:
        log.warning("Interrupted. %s", again)
        raise
    except (OSError, RuntimeError, SafetensorError) as error:
        if not _disk_is_full(error):
            log.warning("Not finished. %s", again)
            raise
        raise RunError(
            f"The disk is full: {error}. Make room, then: python -m train fit --resume {run.name}"
        ) from error


def _disk_is_full(error: BaseException) -> bool:
    # torch and safetensors tell it in words only, torch sometimes by the place in its own code that writes files.
    words = ("No space left", "File too large", "PytorchStreamWriter", "inline_container.cc")
    known = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return known or any(each in str(error) for each in words)
