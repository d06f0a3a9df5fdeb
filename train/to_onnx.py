"""A model's folder -> its ONNX files, in float32 and in eight bits."""

import logging
import warnings
from pathlib import Path

import torch

from core import model_files
from core.backends import INT8, ONNX, Torch
from core.encoder import UNREAD, Encoder, Exact
from core.errors import ModelError
from core.tokenizer import Tokenizer

OPSET = 20
BLOCK, IN_EIGHT_BITS = 64, 4
"""A scale for a whole channel, or one for all activations, moves probabilities by 0.06 to 0.24."""


def write_onnx(folder: Path) -> None:
    """The model in `folder` as ONNX in float32, for any number of texts of any length."""
    config = model_files.require_files(folder)
    tokenizer = Tokenizer(folder, config.get("max_position_embeddings", model_files.MOST_TOKENS))
    reference = Torch(folder, tokenizer)
    module: torch.nn.Module
    try:
        module = Plain(Encoder(folder, Exact(), tokenizer.largest))
    except ModelError:  # another architecture, which is exported as transformers computes it
        module = Logits(reference.model, reference.names)
    batch = tokenizer.tokens(["a book", "a rather longer film"]).batch([0, 1])
    for chatty in ("torch.onnx", "onnx_ir", "onnxscript"):
        logging.getLogger(chatty).setLevel(logging.ERROR)  # they tell of every package that they lack, and every step
    shape = {0: torch.export.Dim("texts"), 1: torch.export.Dim("tokens", max=tokenizer.max_tokens)}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter's, about its own workings
        torch.onnx.export(
            module, tuple(torch.from_numpy(batch[name]) for name in reference.names), folder / ONNX,
            input_names=reference.names, output_names=["logits"], dynamic_shapes=((shape,) * len(reference.names),),
            dynamo=True, external_data=False, opset_version=OPSET, verbose=False,
        )  # fmt: skip


class Plain(torch.nn.Module):
    """An encoder of which runtimes know all operations."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, *given: torch.Tensor) -> torch.Tensor:
        """(n, tokens) ids, mask and, where the model has them, types -> (n, k) logits."""
        ids, read, *types = given
        return self.encoder(ids, ((1.0 - read.float()) * UNREAD)[:, None, None], *types)


class Logits(torch.nn.Module):
    """A model of transformers, given no more than the reference gives it."""

    def __init__(self, model: torch.nn.Module, names: list[str]) -> None:
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *given: torch.Tensor) -> torch.Tensor:
        """(n, tokens) of each -> (n, k) logits."""
        logits: torch.Tensor = self.model(**dict(zip(self.names, given, strict=True))).logits
        return logits


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
