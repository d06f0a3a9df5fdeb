"""Dropout as fast as the rest of a step on a CPU.

PyTorch draws its random numbers there one after the other, a number of 53 bits an element, which for attention takes
longer than attention. Here an element takes one byte of a fast generator, so that shares are multiples of 1/256: 0.1
becomes 26/256. Every mask has a seed drawn from PyTorch's generator, which is what repeat and resume rest on, and is
made anew for the way back instead of being kept.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import sdpa_mask

NAME = "verdict"
"""of the attention, as transformers knows it"""


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
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None, share: float,
    scaling: float | None = None,
) -> torch.Tensor:  # fmt: skip
    """Attention: (n, heads, tokens, width) each, and back again; `share` of the weights is dropped.

    `mask` is what is attended to (bool), or what is added to the scores.
    """
    bias = mask
    if bias is not None and bias.dtype == torch.bool:
        bias = torch.zeros(bias.shape, dtype=query.dtype).masked_fill_(~bias, torch.finfo(query.dtype).min)
    scaling = scaling if scaling is not None else float(query.shape[-1] ** -0.5)
    seed = _seed() if share else 0
    return _Attention.apply(query, key, value, bias, scaling, share, seed)  # type: ignore[no-any-return, no-untyped-call]


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

    The weights are kept for it: to make them anew takes a third of attention's time.
    """

    @staticmethod
    def forward(
        ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, bias: torch.Tensor | None,
        scaling: float, share: float, seed: int,
    ) -> torch.Tensor:  # fmt: skip
        if share == 0 and not any(ctx.needs_input_grad):
            return nn.functional.scaled_dot_product_attention(query, key, value, bias, scale=scaling)
        query, key, value = (each.contiguous() for each in (query, key, value))  # or each product below copies them
        query = query * scaling
        scores = torch.matmul(query, key.transpose(-1, -2))
        weights = torch.softmax(scores if bias is None else scores.add_(bias), -1)
        ctx.save_for_backward(query, key, value, weights)
        ctx.scaling, ctx.share, ctx.seed = scaling, share, seed
        if share == 0:
            return torch.matmul(weights, value)
        return torch.matmul(weights * kept(weights.shape, share, seed), value).mul_(scale(share))

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        query, key, value, weights = ctx.saved_tensors
        grad = grads[0].contiguous()
        of_weights = torch.matmul(grad, value.transpose(-1, -2))
        if ctx.share == 0:
            of_value = torch.matmul(weights.transpose(-1, -2), grad)
        else:
            mask = kept(weights.shape, ctx.share, ctx.seed)
            of_weights.mul_(mask).mul_(scale(ctx.share))
            of_value = torch.matmul((weights * mask).transpose(-1, -2), grad).mul_(scale(ctx.share))
        of_scores = torch._softmax_backward_data(of_weights, weights, -1, weights.dtype)
        of_query = torch.matmul(of_scores, key).mul_(ctx.scaling)
        of_key = torch.matmul(of_scores.transpose(-1, -2), query)
        return of_query, of_key, of_value, None, None, None, None


def _attend(
    module: nn.Module, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor,
    attention_mask: torch.Tensor | None, dropout: float = 0.0, scaling: float | None = None, **_: Any,
) -> tuple[torch.Tensor, None]:  # fmt: skip
    """What transformers asks of an attention, whose output has the heads after the tokens."""
    return attend(query, key, value, attention_mask, dropout, scaling).transpose(1, 2).contiguous(), None


def _seed() -> int:
    return int(torch.randint(2**62, ()))


AttentionInterface.register(NAME, _attend)
AttentionMaskInterface.register(NAME, sdpa_mask)
