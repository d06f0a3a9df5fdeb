"""Run -> ONNX files beside its model, with what became of decisions and scores on the whole test split.

They are an addition: nothing of the run is changed, and `onnx/export.json` names the weights that they were made from.
"""

import logging
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from core import data, fastest, machine, metrics, parity, predictor
from core.backends import INT8, ONNX, useful
from core.errors import RunError
from core.fastest import STATED
from core.files import sha256, write_json
from core.metrics import Outcome
from core.model_files import WEIGHTS
from core.parity import GOLDEN, Golden
from core.recipe import Example, Recipe
from core.runs import Run

log = logging.getLogger("verdict")

DOUBLINGS = 6
"""The golden batch has each example alone, and joined with those after it to 2, 4, … of them."""
SPARE = (
    Example(text="It is as good as they say.", text_pair="They say that it is good."),
    Example(text="Nothing in it stayed with me, and I had hoped for more.", text_pair="I will remember all of it."),
)
"""What the golden batch is made from where a recipe has no examples."""
FILES = (ONNX, INT8, GOLDEN)

Progress = Callable[[str, int, int], object]
"""Called with (backend, texts done, texts in all)."""


def export(run: Run, progress: Progress = lambda backend, done, n: None) -> dict[str, Any]:
    """Write `model/onnx/`; returns what export.json says.

    Raises RunError for an incomplete or changed run, DataError where its test split cannot be had.
    """
    from train.to_onnx import quantise, write_onnx  # bring torch with them

    if not run.complete:
        raise RunError(f"{run.name} is not complete, so there is nothing to export yet.")
    weights = sha256(run.model / WEIGHTS)
    if weights != run.record.metrics["sha256"].get(f"model/{WEIGHTS}"):
        raise RunError(f"{run.name}: model/{WEIGHTS} has changed since the run was measured; it is not exported.")
    recipe = run.record.recipe
    examples = data.load_splits(recipe)["test"]
    with TemporaryDirectory(dir=run.path, prefix=".export-") as name:
        folder = Path(shutil.copytree(run.model, Path(name) / "model", ignore=shutil.ignore_patterns("onnx")))
        (folder / "onnx").mkdir()
        log.info("Writing %s", ONNX)
        write_onnx(folder)
        log.info("Writing %s", INT8)
        quantise(folder)
        texts, pairs = golden_texts(recipe)
        Golden(texts, pairs, predictor.load(folder).predict(texts, pairs).logits.tolist()).save(folder)
        measured = {}
        for backend in useful():
            loaded = fastest.load(folder, backend)
            found = predictor.predict_split(loaded, examples, lambda done, n, to=backend: progress(to, done, n))  # type: ignore[misc]
            scores = metrics.summary(Outcome.of_logits(found.logits, found.label), recipe.labels, resamples=0)
            against = parity.between(found.logits, run.record.predictions("test").logits)
            measured[backend] = {**asdict(against), **{key: scores[key] for key in ("accuracy", "f1_macro")}}
        stated = {
            "model_sha256": weights,
            "sha256": {name: sha256(folder / name) for name in FILES},
            "processor": machine.processor(),
            "test": measured,
        }
        write_json(folder / STATED, stated)
        shutil.rmtree(run.model / "onnx", ignore_errors=True)
        (folder / "onnx").rename(run.model / "onnx")
    return stated


def require_current(run: Run) -> None:
    """What was exported, if anything was, must be of this run's weights and unchanged. Raises RunError."""
    folder = run.model / "onnx"
    if not folder.is_dir():
        return
    stated = run.exported
    there = {f"onnx/{path.name}" for path in folder.iterdir()} - {STATED}
    right = stated["model_sha256"] == sha256(run.model / WEIGHTS) and there == set(stated["sha256"])
    if not right or any(sha256(run.model / name) != digest for name, digest in stated["sha256"].items()):
        raise RunError(
            f"{run.name}: model/onnx/ is not what was exported from its weights. Export it again: "
            f"python -m train export {run.name}"
        )


def golden_texts(recipe: Recipe) -> tuple[list[str], list[str] | None]:
    """Texts of many lengths, and their pairs, made from the recipe's examples: its data may not be passed on."""
    examples = recipe.publish.examples or SPARE
    rows = [(row, 2**doubling) for doubling in range(DOUBLINGS) for row in range(len(examples))]
    texts = [" ".join(examples[(row + n) % len(examples)].text for n in range(many)) for row, many in rows]
    return texts, [str(examples[row].text_pair) for row, _ in rows] if recipe.data.text_pair else None
