"""Run -> ONNX files beside its model, each with what became of the decisions and scores on the whole test split.

They are an addition to a run that stays as it was: `onnx/export.json` names the weights that they were made from.
"""

import logging
import shutil
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from core import data, metrics, parity, predictor
from core.backends import INT8, ONNX, REFERENCE, available
from core.errors import RunError
from core.files import sha256, write_json
from core.metrics import Outcome
from core.model_files import WEIGHTS
from core.parity import GOLDEN
from core.predictor import Predictor
from core.recipe import Recipe
from core.runs import Run

log = logging.getLogger("verdict")

STATED = "onnx/export.json"
OPSET = 20
LONGER = ("It is as good as they say.", "I have read better, and I have seen worse.", "Nothing in it stayed with me.")
"""What examples are lengthened with, so that the golden batch has texts of every length."""


def export(run: Run) -> dict[str, Any]:
    """Write `model/onnx/`; returns what export.json says. Raises RunError for an incomplete or changed run."""
    if not run.complete:
        raise RunError(f"{run.name} is not complete, so there is nothing to export yet.")
    weights = sha256(run.model / WEIGHTS)
    if weights != run.record.metrics["sha256"].get(f"model/{WEIGHTS}"):
        raise RunError(f"{run.name}: model/{WEIGHTS} has changed since the run was measured; it is not exported.")
    with TemporaryDirectory(dir=run.path, prefix=".export-") as name:
        folder = Path(shutil.copytree(run.model, Path(name) / "model", ignore=shutil.ignore_patterns("onnx")))
        (folder / "onnx").mkdir()
        log.info("Writing %s", ONNX)
        write_onnx(folder)
        log.info("Writing %s", INT8)
        quantise(folder)
        reference = predictor.load(folder)
        parity.golden(reference, *golden_texts(run.record.recipe)).save(folder)
        stated = {
            "model_sha256": weights,
            "sha256": {name: sha256(folder / name) for name in (ONNX, INT8, GOLDEN)},
            "backends": {name: _measured(run, folder, name) for name in available(folder) if name != REFERENCE},
        }
        write_json(folder / STATED, stated)
        shutil.rmtree(run.model / "onnx", ignore_errors=True)
        (folder / "onnx").rename(run.model / "onnx")
    return stated


def write_onnx(folder: Path) -> None:
    """The model in `folder` as ONNX in float32, for any number of texts of any length."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from core import cls_head  # noqa: F401  makes its architecture known

    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    example = dict(tokenizer(["a book", "a rather longer film"], padding=True, return_tensors="pt"))
    shape = {0: torch.export.Dim("texts"), 1: torch.export.Dim("tokens", max=tokenizer.model_max_length)}
    torch.onnx.export(
        model, (), folder / ONNX, kwargs=example, input_names=list(example), output_names=["logits"],
        dynamic_shapes=dict.fromkeys(example, shape), dynamo=True, external_data=False, opset_version=OPSET,
        verbose=False,
    )  # fmt: skip


def quantise(folder: Path) -> None:
    """The ONNX model with its weights in eight bits, a scale a channel; activations are scaled as they come."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = onnx.load(folder / ONNX)
    model.graph.ClearField("value_info")  # the shapes that the exporter notes are not those after quantisation
    quantize_dynamic(model, folder / INT8, per_channel=True, weight_type=QuantType.QInt8)


def golden_texts(recipe: Recipe) -> tuple[list[str], list[str] | None]:
    """The recipe's examples, as they are and lengthened with one, three, seven, … further sentences, and their pairs."""
    examples = [each for _ in range(6) for each in recipe.publish.examples]
    texts = [
        f"{each.text} " + " ".join(LONGER[(row + n) % len(LONGER)] for n in range(2 ** (row % 6) - 1))
        for row, each in enumerate(examples)
    ]
    return texts, [each.text_pair for each in examples] if recipe.data.text_pair else None


def _measured(run: Run, folder: Path, backend: str) -> dict[str, Any]:
    """Parity on the golden batch, and changed decisions and scores over the whole test split."""
    log.info("Measuring %s over the test split", backend)
    recipe, stored = run.record.recipe, run.record.predictions("test")
    loaded = Predictor(folder, backend)
    found = predictor.predict_split(loaded, data.load_splits(recipe)["test"])
    scores = metrics.summary(Outcome.of_logits(found.logits, found.label), recipe.labels)
    return {
        "golden": asdict(parity.check(loaded, parity.load(folder))),
        "test": asdict(parity.between(found.logits, stored.logits)),
        "accuracy": scores["accuracy"],
        "f1_macro": scores["f1_macro"],
    }
