"""How a model is executed: a backend takes a padded batch of tokens and returns logits.

A backend is one class here and one entry in BACKENDS. `torch` in float32 is the reference; the others must pass
core/parity.py before anybody sees what they say.
"""

import inspect
import json
import mmap
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from core import machine, model_files
from core.errors import ModelError
from core.tokenizer import Batch, Tokenizer, filled_up

REFERENCE = "torch"
AUTO = "auto"
"""The fastest that passes; see core/fastest.py."""
ONNX, INT8 = "onnx/model.onnx", "onnx/model_quantized.onnx"
"""Files of an exported model, under the names that other tools expect: in float32, and with weights of eight bits."""


class Backend(Protocol):
    """A loaded model."""

    def __call__(self, batch: Batch) -> npt.NDArray[np.float32]:
        """(n, k) logits of a batch."""


class Torch:
    """PyTorch in float32, as transformers loads the model."""

    def __init__(self, folder: Path, tokenizer: Tokenizer) -> None:
        """Raises ModelError for weights that are not sound, and whatever a damaged file leads to."""
        import torch
        from transformers import AutoModelForSequenceClassification

        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        model_files.require_room(folder, config)
        self.model, report = AutoModelForSequenceClassification.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, output_loading_info=True,
            ignore_mismatched_sizes=True, local_files_only=True, trust_remote_code=False,
        )  # fmt: skip
        model_files.require_sound(self.model, report, tokenizer.largest)
        self.model.eval()
        self.names = _accepted(self.model)
        """what of a batch it is given"""

    def __call__(self, batch: Batch) -> npt.NDArray[np.float32]:
        """(n, k) logits of a batch."""
        import torch

        given = {name: torch.from_numpy(batch[name]) for name in self.names}
        with torch.inference_mode():
            return np.asarray(self.model(**given).logits.numpy())


class Onnx:
    """ONNX Runtime."""

    def __init__(self, folder: Path, tokenizer: Tokenizer, *, file: str = ONNX) -> None:
        """Raises ModelError for a file that names others, and whatever a damaged one leads to."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads()
        options.log_severity_level = 4  # what goes wrong is raised, too
        path = str(_alone(folder / file))
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._names = [each.name for each in self._session.get_inputs()]

    def __call__(self, batch: Batch) -> npt.NDArray[np.float32]:
        """(n, k) logits of a batch."""
        (logits,) = self._session.run(["logits"], {name: batch[name] for name in self._names})
        return np.asarray(logits, dtype=np.float32)


class OpenVino:
    """OpenVINO, in float32 or in bfloat16, for which some processors have units of their own."""

    def __init__(self, folder: Path, tokenizer: Tokenizer, *, precision: str = "f32") -> None:
        """Raises ModelError for a file that names others, and whatever a damaged one leads to."""
        import openvino

        self._tensor = openvino.Tensor
        settings: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": precision,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads(),
        }
        compiled = _openvino().compile_model(_alone(folder / ONNX), "CPU", settings)
        self._names = [each.any_name for each in compiled.inputs]
        self._request = compiled.create_infer_request()
        self._most = tokenizer.max_tokens

    def __call__(self, batch: Batch) -> npt.NDArray[np.float32]:
        """(n, k) logits of a batch."""
        filled = filled_up(batch, self._most)
        for name in self._names:
            self._request.set_tensor(name, self._tensor(filled[name], shared_memory=True))
        self._request.infer()
        return np.array(self._request.get_output_tensor().data, dtype=np.float32)


@cache
def _openvino() -> Any:
    """OpenVINO itself, once and for good.

    On processors with AMX each gives the thread a stack for handling signals; of two that overlap, the last to go puts
    back the stack that the first took with it, and the next signal is fatal.
    """
    import openvino

    return openvino.Core()


def _half(folder: Path, tokenizer: Tokenizer) -> Backend:
    from core.encoder import InHalf  # brings torch with it

    return InHalf(folder, tokenizer.largest, tokenizer.max_tokens)


BACKENDS: dict[str, Callable[[Path, Tokenizer], Backend]] = {
    REFERENCE: Torch,
    "torch-bf16": _half,
    "onnx": Onnx,
    "onnx-int8": lambda folder, tokenizer: Onnx(folder, tokenizer, file=INT8),
    "openvino": OpenVino,
    "openvino-bf16": lambda folder, tokenizer: OpenVino(folder, tokenizer, precision="bf16"),
}
IN_BF16, IN_BYTES = {"torch-bf16", "openvino-bf16"}, {"onnx-int8"}
"""Of use only where the processor has instructions for them: elsewhere they take longer than float32."""
EXPORTED = {"onnx": ONNX, "onnx-int8": INT8, "openvino": ONNX, "openvino-bf16": ONNX}
"""The file of `train export` that a backend reads."""


def useful() -> list[str]:
    """The backends but the reference that this processor is made for."""
    useless = {REFERENCE}
    if "BF16" not in _openvino().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        useless |= IN_BF16
    if not machine.multiplies_bytes():
        useless |= IN_BYTES
    return [each for each in BACKENDS if each not in useless]


def threads() -> int:
    """Threads of one model: as many as the processors that this process may use."""
    return len(os.sched_getaffinity(0))


def _alone(path: Path) -> Path:
    """An ONNX file that keeps nothing in others, which a reader would open wherever they are. Raises ModelError."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        # The key by which the format names another file; it cannot be named without.
        if content.find(b"location") >= 0:
            raise ModelError(f"{path.name} keeps its weights in another file, which Verdict refuses to open.")
    return path


def _accepted(model: Any) -> list[str]:
    """Which parts of a batch a model takes: some know no token types."""
    known = inspect.signature(model.forward).parameters
    return [name for name in ("input_ids", "attention_mask", "token_type_ids") if name in known]
