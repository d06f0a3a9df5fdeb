"""How a model is executed: a backend takes a padded batch of tokens and returns logits.

A backend is one class here and one entry in BACKENDS. `torch` in float32 is the reference; the others must pass
core/parity.py before anybody sees what they say.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from core import model_files
from core.tokenizer import Batch, Tokenizer

REFERENCE = "torch"
ONNX, INT8 = "onnx/model.onnx", "onnx/model_quantized.onnx"
"""Files of an exported model, under the names that other tools expect."""


class Backend(Protocol):
    """A loaded model."""

    def __call__(self, batch: Batch) -> npt.NDArray[np.float32]:
        """(n, k) logits of a batch."""


class Torch:
    """PyTorch, as transformers loads the model, in float32 or bfloat16."""

    def __init__(self, folder: Path, tokenizer: Tokenizer, *, half: bool = False) -> None:
        import torch
        from transformers import AutoModelForSequenceClassification

        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        model_files.require_room(folder, config)
        self._model, report = AutoModelForSequenceClassification.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, output_loading_info=True,
            ignore_mismatched_sizes=True, local_files_only=True, trust_remote_code=False,
        )  # fmt: skip
        model_files.require_sound(self._model, report, tokenizer.largest)
        self._model.eval()
        if half:
            self._model.to(torch.bfloat16)
        self._names = _accepted(self._model)

    def __call__(self, batch: Batch) -> npt.NDArray[np.float32]:
        import torch

        given = {name: torch.from_numpy(batch[name]) for name in self._names}
        with torch.inference_mode():
            return np.asarray(self._model(**given).logits.float().numpy())


class Onnx:
    """ONNX Runtime."""

    def __init__(self, folder: Path, tokenizer: Tokenizer, *, file: str = ONNX) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads()
        options.log_severity_level = 3  # errors
        path = str(folder / file)
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._names = [each.name for each in self._session.get_inputs()]

    def __call__(self, batch: Batch) -> npt.NDArray[np.float32]:
        (logits,) = self._session.run(["logits"], {name: batch[name] for name in self._names})
        return np.asarray(logits, dtype=np.float32)


class OpenVino:
    """OpenVINO, in float32 or in bfloat16, for which some processors have units of their own."""

    def __init__(self, folder: Path, tokenizer: Tokenizer, *, precision: str = "f32") -> None:
        import openvino

        settings: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": precision,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads(),
        }
        compiled = openvino.Core().compile_model(folder / ONNX, "CPU", settings)
        self._names = [each.any_name for each in compiled.inputs]
        self._compiled = compiled

    def __call__(self, batch: Batch) -> npt.NDArray[np.float32]:
        request = self._compiled.create_infer_request()  # one alone could not serve two sessions at once
        found = request.infer({name: batch[name] for name in self._names}, share_inputs=True)
        return np.array(found["logits"], dtype=np.float32)


BACKENDS: dict[str, Callable[[Path, Tokenizer], Backend]] = {
    REFERENCE: Torch,
    "torch-bf16": lambda folder, tokenizer: Torch(folder, tokenizer, half=True),
    "onnx": Onnx,
    "onnx-int8": lambda folder, tokenizer: Onnx(folder, tokenizer, file=INT8),
    "openvino": OpenVino,
    "openvino-bf16": lambda folder, tokenizer: OpenVino(folder, tokenizer, precision="bf16"),
}


def available(folder: Path) -> list[str]:
    """The backends that the files in a model's folder are for."""
    needed = {"onnx-int8": INT8, "onnx": ONNX, "openvino": ONNX, "openvino-bf16": ONNX}
    return [name for name in BACKENDS if name not in needed or (folder / needed[name]).is_file()]


def threads() -> int:
    """Threads of one model: as many as the processors that this process may use."""
    return len(os.sched_getaffinity(0))


def _accepted(model: Any) -> list[str]:
    """Which parts of a batch a model takes: some know no token types."""
    import inspect

    known = inspect.signature(model.forward).parameters
    return [name for name in ("input_ids", "attention_mask", "token_type_ids") if name in known]
