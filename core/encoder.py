"""BERT and DistilBERT with as little beside the matrix products as there can be, to be exported or read in bfloat16.

What transformers does in some thirty operations a layer is done in a dozen that runtimes know how to join. In the last
layer only the first token is computed, as nothing else is read of it.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as nn
from safetensors.torch import load_file

from core.errors import ModelError
from core.machine import keep_memory
from core.model_files import WEIGHTS, require_embedded
from core.tokenizer import Batch, filled_up

TYPICAL = 2048
"""Tokens of the batch that matrices are laid out for; others are read a little slower."""
UNREAD = -1e4
"""Added to the score of a token that only fills up: nothing is left of its weight."""


@dataclass(frozen=True)
class Names:
    """What an encoder calls its parts, in config.json and among the weights."""

    layers: str
    heads: str
    activation: str
    layer: str
    query: str
    key: str
    value: str
    attended: str
    norm: str
    wide: str
    narrow: str
    last_norm: str


NAMES = {
    "bert": Names(
        "num_hidden_layers", "num_attention_heads", "hidden_act", "encoder.layer", "attention.self.query",
        "attention.self.key", "attention.self.value", "attention.output.dense", "attention.output.LayerNorm",
        "intermediate.dense", "output.dense", "output.LayerNorm",
    ),
    "distilbert": Names(
        "n_layers", "n_heads", "activation", "transformer.layer", "attention.q_lin", "attention.k_lin",
        "attention.v_lin", "attention.out_lin", "sa_layer_norm", "ffn.lin1", "ffn.lin2", "output_layer_norm",
    ),
}  # fmt: skip
HEADS: dict[str, tuple[str, Callable[[torch.Tensor], torch.Tensor]] | None] = {
    "BertForSequenceClassification": ("bert.pooler.dense", torch.tanh),
    "DistilBertForSequenceClassification": ("pre_classifier", torch.relu),
    "ClsForSequenceClassification": None,
}
"""By architecture: what lies between the first token's state and the classifier."""
Pair = tuple[torch.Tensor, torch.Tensor]
"""(m, d) weights and (m,) biases."""
Map = Callable[[torch.Tensor], torch.Tensor]


class Arithmetic(Protocol):
    """How the parts of a layer are computed; what is added up over the layers is float32 in each."""

    def rounded(self, x: torch.Tensor) -> torch.Tensor:
        """What matrices are multiplied with."""

    def linear(self, *parts: Pair) -> Map:
        """(…, d) -> (…, m): a product with matrices, one below the other."""

    def attend(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None
    ) -> torch.Tensor:
        """(n, heads, tokens, d / heads) of each, queries scaled, and a mask that has to do with (n, 1, 1, tokens)."""


class Exact:
    """Float32, in operations that runtimes find and join; its mask is added to the scores."""

    def rounded(self, x: torch.Tensor) -> torch.Tensor:
        """As it is."""
        return x

    def linear(self, *parts: Pair) -> Map:
        """One product."""
        weight, bias = (torch.cat(each) for each in zip(*parts, strict=True))
        return partial(nn.linear, weight=weight, bias=bias)

    def attend(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None
    ) -> torch.Tensor:
        """Scaled dot products, step by step."""
        scores = query @ key.transpose(-1, -2)
        return (scores if mask is None else scores + mask).softmax(-1) @ value


class Half:
    """Matrix products in bfloat16, laid out as the processor's matrix unit reads them; its mask says what is read."""

    def rounded(self, x: torch.Tensor) -> torch.Tensor:
        """To bfloat16."""
        return x.bfloat16()

    def linear(self, *parts: Pair) -> Map:
        """One product."""
        weight, bias = (torch.cat(each).bfloat16() for each in zip(*parts, strict=True))
        if not torch.ops.mkldnn._is_mkldnn_bf16_supported():  # by the processor, which then is slow at it
            return partial(nn.linear, weight=weight, bias=bias)
        laid_out = torch.ops.mkldnn._reorder_linear_weight(weight, TYPICAL)
        return lambda x: torch.ops.mkldnn._linear_pointwise(x, laid_out, bias, "none", [], "")

    def attend(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None
    ) -> torch.Tensor:
        """In one pass."""
        return nn.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=1.0)


class Weights:
    """model.safetensors, as config.json says that it is to be read."""

    def __init__(self, folder: Path) -> None:
        """Raises ModelError for another architecture."""
        config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        architecture = (config.get("architectures") or [""])[0]
        self.head = HEADS.get(architecture)
        self.prefix: str = "encoder" if "encoder" in config else config.get("model_type", "")
        config = config.get("encoder", config)
        kind = config.get("model_type")
        if architecture not in HEADS or kind not in NAMES or config.get(NAMES[kind].activation) != "gelu":
            raise ModelError(f"A {architecture or kind} of this kind is not known here.")
        self.names = NAMES[kind]
        self.heads, self.layers = int(config[self.names.heads]), int(config[self.names.layers])
        self._epsilon = float(config.get("layer_norm_eps", 1e-12))
        self._all = load_file(folder / WEIGHTS)

    def __contains__(self, name: str) -> bool:
        return name in self._all

    def one(self, name: str) -> torch.Tensor:
        """A weight in float32. Raises ModelError when it is not there."""
        try:
            return self._all[name].float()
        except KeyError:
            raise ModelError(f"{WEIGHTS} lacks {name}.") from None

    def pair(self, name: str) -> Pair:
        """Weight and bias of a part."""
        return self.one(f"{name}.weight"), self.one(f"{name}.bias")

    def norm(self, name: str) -> Map:
        """A layer normalization, in float32."""
        weight, bias = self.pair(name)
        return lambda x: nn.layer_norm(x, weight.shape, weight, bias, self._epsilon)


class Layer:
    """Attention, and what follows it, of every token or of the first one alone."""

    def __init__(self, weights: Weights, prefix: str, arithmetic: Arithmetic, *, first_alone: bool) -> None:
        names = weights.names
        self._heads, self._arithmetic = weights.heads, arithmetic
        query, *parts = (weights.pair(f"{prefix}.{each}") for each in (names.query, names.key, names.value))
        self._size = len(query[0]) // weights.heads
        query = query[0] * self._size**-0.5, query[1] * self._size**-0.5  # so that scores need no scaling
        self._query = arithmetic.linear(query) if first_alone else None
        self._others = arithmetic.linear(*parts) if first_alone else arithmetic.linear(query, *parts)
        self._attended, self._wide, self._narrow = (
            arithmetic.linear(weights.pair(f"{prefix}.{each}")) for each in (names.attended, names.wide, names.narrow)
        )
        self._norm, self._last = (weights.norm(f"{prefix}.{each}") for each in (names.norm, names.last_norm))

    def __call__(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """(n, tokens, d) -> (n, tokens or 1, d)"""
        rounded = self._arithmetic.rounded(x)
        *query, key, value = self._split(self._others(rounded))
        if self._query is not None:
            x = x[:, :1].contiguous()
            query = self._split(self._query(rounded[:, :1].contiguous()))
        found = self._arithmetic.attend(query[0], key, value, mask)
        x = self._norm(x.add_(self._attended(found.transpose(1, 2).reshape(x.shape))))
        return self._last(x.add_(self._narrow(torch.ops.aten.gelu_(self._wide(self._arithmetic.rounded(x))))))

    def _split(self, x: torch.Tensor) -> list[torch.Tensor]:
        """(n, tokens, several × d) -> several (n, heads, tokens, d / heads)"""
        # In one operation: runtimes take longer to part them first, and then to turn each.
        several = x.shape[-1] // (self._heads * self._size)
        return list(x.view(*x.shape[:-1], several, self._heads, self._size).permute(2, 0, 3, 1, 4).unbind())


class Encoder:
    """A model that classifies texts."""

    def __init__(self, folder: Path, arithmetic: Arithmetic, largest: int) -> None:
        """For token ids up to `largest`. Raises ModelError for another architecture, or where weights are missing."""
        weights = Weights(folder)
        parts = f"{weights.prefix}.embeddings"
        self._words, self._places = (weights.one(f"{parts}.{each}_embeddings.weight") for each in ("word", "position"))
        require_embedded(largest, len(self._words))
        types = f"{parts}.token_type_embeddings.weight"
        self._types = weights.one(types) if types in weights else None
        self._norm = weights.norm(f"{parts}.LayerNorm")
        self._layers = [
            Layer(
                weights, f"{weights.prefix}.{weights.names.layer}.{number}", arithmetic,
                first_alone=number + 1 == weights.layers,
            )
            for number in range(weights.layers)
        ]  # fmt: skip
        exact = Exact()
        self._classify = [exact.linear(weights.pair("classifier"))]
        if weights.head:
            name, bend = weights.head
            self._classify = [exact.linear(weights.pair(name)), bend, *self._classify]
        typed = self._types is not None and weights.head  # core/cls_head.py gives its encoder no types
        self.names = ["input_ids", "attention_mask", *["token_type_ids"] * bool(typed)]
        """what of a batch it is given"""

    def __call__(self, ids: torch.Tensor, mask: torch.Tensor | None, types: torch.Tensor | None = None) -> torch.Tensor:
        """(n, tokens) ids and types, and what the arithmetic takes as a mask -> (n, k) logits."""
        x = nn.embedding(ids, self._words) + self._places[: ids.shape[1]]
        if self._types is not None:
            x = x + (self._types[0] if types is None else nn.embedding(types, self._types))
        x = self._norm(x)
        for layer in self._layers:
            x = layer(x, mask)
        x = x[:, 0]
        for each in self._classify:
            x = each(x)
        return x


class InHalf:
    """The backend that multiplies matrices in bfloat16."""

    def __init__(self, folder: Path, largest: int, most: int) -> None:
        """As an Encoder, for texts of at most `most` tokens."""
        keep_memory()
        self._encoder, self._most = Encoder(folder, Half(), largest), most

    def __call__(self, batch: Batch) -> npt.NDArray[np.float32]:
        """(n, k) logits of a batch."""
        filled = filled_up(batch, self._most)
        with torch.inference_mode():
            ids, read, *types = (torch.from_numpy(filled[name]) for name in self._encoder.names)
            mask = None if bool(read.all()) else read.bool()[:, None, None]
            return np.asarray(self._encoder(ids, mask, *types).numpy())
