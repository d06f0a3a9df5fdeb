"""Run -> ONNX files beside its model, with what became of decisions and scores on the whole test split.

They are an addition: nothing of the run is changed, and `onnx/export.json` names the weights that they were made from.
"""

import logging
import shutil
import warnings
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from core import data, fastest, machine, metrics, model_files, parity, predictor
from core.backends import BACKENDS, INT8, ONNX, REFERENCE, Torch
from core.errors import RunError
from core.fastest import STATED
from core.files import sha256, write_json
from core.metrics import Outcome
from core.model_files import WEIGHTS
from core.parity import GOLDEN, Golden
from core.recipe import Example, Recipe
from core.runs import Run
from core.tokenizer import Tokenizer

log = logging.getLogger("verdict")

OPSET = 20
BLOCK, IN_EIGHT_BITS = 64, 4
"""A scale for a whole channel, or one for all activations, moves probabilities by 0.06 to 0.24."""
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
        for backend in [each for each in BACKENDS if each != REFERENCE]:
            loaded = fastest.load(folder, backend)
            found = predictor.predict_split(loaded, examples, lambda done, n, to=backend: progress(to, done, n))  # type: ignore[misc]
            scores = metrics.summary(Outcome.of_logits(found.logits, found.label), recipe.labels)
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


def write_onnx(folder: Path) -> None:
    """The model in `folder` as ONNX in float32, for any number of texts of any length."""
    import torch

    config = model_files.require_files(folder)
    tokenizer = Tokenizer(folder, config.get("max_position_embeddings", model_files.MOST_TOKENS))
    reference = Torch(folder, tokenizer)
    batch = tokenizer.tokens(["a book", "a rather longer film"]).batch([0, 1])

    class Logits(torch.nn.Module):
        """The model, given no more than the reference gives it."""

        def __init__(self) -> None:
            super().__init__()
            self.model = reference.model

        def forward(self, *given: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.model(**dict(zip(reference.names, given, strict=True))).logits
            return logits

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it tells of every package that it could use and lacks
    shape = {0: torch.export.Dim("texts"), 1: torch.export.Dim("tokens", max=tokenizer.max_tokens)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's, about its own workings
        torch.onnx.export(
            Logits(), tuple(torch.from_numpy(batch[name]) for name in reference.names), folder / ONNX,
            input_names=reference.names, output_names=["logits"], dynamic_shapes=((shape,) * len(reference.names),),
            dynamo=True, external_data=False, opset_version=OPSET, verbose=False,
        )  # fmt: skip


def quantise(folder: Path) -> None:
    """The ONNX model with its matrices in eight bits, a scale for BLOCK weights; activations are scaled on the way."""
    import onnx
    from onnxruntime.quantization.matmul_nbits_quantizer import DefaultWeightOnlyQuantConfig, MatMulNBitsQuantizer

    logging.getLogger("onnxruntime.quantization").setLevel(logging.WARNING)  # it tells of every node
    model = onnx.load(folder / ONNX)
    model.graph.ClearField("value_info")  # the shapes that the exporter notes are not those after quantisation
    how = DefaultWeightOnlyQuantConfig(block_size=BLOCK, is_symmetric=True, accuracy_level=IN_EIGHT_BITS, bits=8)
    quantizer = MatMulNBitsQuantizer(model, algo_config=how)
    quantizer.process()
    quantizer.model.save_model_to_file(str(folder / INT8), use_external_data_format=False)


def golden_texts(recipe: Recipe) -> tuple[list[str], list[str] | None]:
    """Texts of many lengths, and their pairs, made from the recipe's examples: its data may not be passed on."""
    examples = recipe.publish.examples or SPARE
    rows = [(row, 2**doubling) for doubling in range(DOUBLINGS) for row in range(len(examples))]
    texts = [" ".join(examples[(row + n) % len(examples)].text for n in range(many)) for row, many in rows]
    return texts, [str(examples[row].text_pair) for row, _ in rows] if recipe.data.text_pair else None
