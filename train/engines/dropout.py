"""Dropout as fast as the rest of a step on a CPU.

PyTorch draws its random numbers there one after the other, a number of 53 bits an element, which for attention takes
longer than attention. Here an element takes one byte of a fast generator, so that shares are multiples of 1/256: 0.1
becomes 26/256. Every mask has a seed drawn from PyTorch's generator, which is what repeat and resume rest on, and is
made anew for the way back instead of being kept.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import sdpa_mask

NAME = "verdict"
"""of the attention, as transformers knows it"""
Heads = tuple[int, int]
"""How many, and the width of each: d together."""


class Dropout(nn.Dropout):
    """Of an element of any shape."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """As nn.Dropout, which it is where no share is dropped."""
        if not self.training or self.p == 0:
            return input
        return _Drop.apply(input, self.p, _seed())  # type: ignore[no-any-return, no-untyped-call]


def install(model: nn.Module) -> None:
    """Have a model of transformers compute this way."""
    for module in model.modules():
        if type(module) is nn.Dropout:
            module.__class__ = Dropout
    model.set_attn_implementation(NAME)  # type: ignore[operator]


def attend(
    projected: Sequence[torch.Tensor], heads: Heads, mask: torch.Tensor | None, share: float,
    scaling: float | None = None,
) -> torch.Tensor:  # fmt: skip
    """Attention: (n, tokens, m · d) each, query, key and value side by side in one or more, -> (n, tokens, d).

    `mask` is what is attended to (bool), or what is added to the scores; `share` of the weights is dropped.
    """
    bias, dtype = mask, projected[0].dtype
    if bias is not None and bias.dtype == torch.bool:
        bias = torch.zeros(bias.shape, dtype=dtype).masked_fill_(~bias, torch.finfo(dtype).min)
    scaling = scaling if scaling is not None else float(heads[1] ** -0.5)
    seed = _seed() if share else 0
    return _Attention.apply(bias, heads, scaling, share, seed, *projected)  # type: ignore[no-any-return, no-untyped-call]


def kept(shape: tuple[int, ...], share: float, seed: int) -> torch.Tensor:
    """Which elements stay: 1 or 0 in uint8, of a tensor of that shape; the same for the same seed."""
    n = math.prod(shape)
    drawn = np.random.SFC64(seed).random_raw(-(-n // 8)).view(np.uint8)[:n]
    return torch.from_numpy(drawn).view(shape).ge(round(share * 256)).view(torch.uint8)


def scale(share: float) -> float:
    """What those that stay are multiplied by, so that the mean is as it was."""
    return 256 / (256 - round(share * 256))


class _Drop(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, given: torch.Tensor, share: float, seed: int) -> torch.Tensor:
        ctx.share, ctx.seed = share, seed
        return given * kept(given.shape, share, seed) * scale(share)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        return grads[0] * kept(grads[0].shape, ctx.share, ctx.seed) * scale(ctx.share), None, None


class _Attention(torch.autograd.Function):
    """Scaled dot-product attention, whose way back is matrix products: PyTorch's own takes twice as long on a CPU.

    The weights are kept for it: to make them anew takes a third of attention's time. Gradients are written to where
    what was projected lies, so that nothing has to be put together.
    """

    @staticmethod
    def forward(
        ctx: Any, bias: torch.Tensor | None, heads: Heads, scaling: float, share: float, seed: int,
        *projected: torch.Tensor,
    ) -> torch.Tensor:  # fmt: skip
        query, key, value = _split(projected, heads)
        if share == 0 and not any(ctx.needs_input_grad):
            return _joined(nn.functional.scaled_dot_product_attention(query, key, value, bias, scale=scaling))
        query = torch.mul(query, scaling, out=query.new_empty(query.shape))
        key, value = key.contiguous(), value.contiguous()  # or each product below copies them
        scores = torch.matmul(query, key.transpose(-1, -2))
        weights = torch.softmax(scores if bias is None else scores.add_(bias), -1)
        ctx.save_for_backward(query, key, value, weights)
        ctx.heads, ctx.scaling, ctx.share, ctx.seed = heads, scaling, share, seed
        ctx.shapes = [each.shape for each in projected]
        if share == 0:
            return _joined(torch.matmul(weights, value))
        return _joined(torch.matmul(weights * kept(weights.shape, share, seed), value).mul_(scale(share)))

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        query, key, value, weights = ctx.saved_tensors
        of_projected = [query.new_empty(each) for each in ctx.shapes]
        of_query, of_key, of_value = _split(of_projected, ctx.heads)
        (grad,) = (each.contiguous() for each in _split(grads, ctx.heads))
        of_weights = torch.matmul(grad, value.transpose(-1, -2))
        if ctx.share == 0:
            of_value.copy_(torch.matmul(weights.transpose(-1, -2), grad))
        else:
            mask = kept(weights.shape, ctx.share, ctx.seed)
            of_weights.mul_(mask).mul_(scale(ctx.share))
            torch.mul(torch.matmul((weights * mask).transpose(-1, -2), grad), scale(ctx.share), out=of_value)
        of_scores = torch._softmax_backward_data(of_weights, weights, -1, weights.dtype)
        torch.mul(torch.matmul(of_scores, key), ctx.scaling, out=of_query)
        of_key.copy_(torch.matmul(of_scores.transpose(-1, -2), query))
        return None, None, None, None, None, *of_projected


def _split(projected: Sequence[torch.Tensor], heads: Heads) -> list[torch.Tensor]:
    """(n, tokens, m · d) each -> views of (n, heads, tokens, width), one after the other."""
    apart = (each.view(*each.shape[:2], -1, *heads).unbind(2) for each in projected)
    return [part.transpose(1, 2) for parts in apart for part in parts]


def _joined(found: torch.Tensor) -> torch.Tensor:
    """(n, heads, tokens, width) -> (n, tokens, d)"""
    return found.transpose(1, 2).flatten(2)


def _attend(
    module: nn.Module, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor,
    attention_mask: torch.Tensor | None, dropout: float = 0.0, scaling: float | None = None, **_: Any,
) -> tuple[torch.Tensor, None]:  # fmt: skip
    """What transformers asks of an attention, whose output has the heads after the tokens."""
    heads = query.shape[1], query.shape[3]
    found = attend([_joined(each) for each in (query, key, value)], heads, attention_mask, dropout, scaling)
    return found.view(*found.shape[:2], *heads), None


def _seed() -> int:
    return int(torch.randint(2**62, ()))


AttentionInterface.register(NAME, _attend)
AttentionMaskInterface.register(NAME, sdpa_mask)
