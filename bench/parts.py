"""The parts of a training step that are not matrix products of the model: PyTorch's and ours, in bf16.

    python -m bench.parts [--rounds 5]

For a batch of 16 texts of 256 tokens in one layer: dropout of hidden units, attention there and back without dropout,
and with it. Both take turns. Prints medians, and writes bench/results/parts.json.
"""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.table import Table
from torch import nn

from core import machine
from core.files import write_json
from train.engines.dropout import Dropout, Heads, attend
from train.failure import told

RESULTS = Path(__file__).parent / "results" / "parts.json"
TEXTS, TOKENS, SHARE = 16, 256, 0.1
WIDTHS = {"MiniLM": (12, 32), "DistilBERT's size": (12, 64)}
"""Heads, and the width of each."""


def main(rounds: Annotated[int, typer.Option(help="turns of each", min=1)] = 5) -> None:
    """Time the parts."""
    found = []
    for model, (heads, width) in WIDTHS.items():
        hidden = torch.randn(TEXTS, TOKENS, heads * width, dtype=torch.bfloat16, requires_grad=True)
        joined = torch.randn(TEXTS, TOKENS, 3 * heads * width, dtype=torch.bfloat16, requires_grad=True)
        mask = torch.ones(TEXTS, 1, 1, TOKENS, dtype=torch.bool)
        mask[::2, ..., TOKENS - 6 :] = False
        compared: dict[str, tuple[Callable[[], torch.Tensor], Callable[[], torch.Tensor]]] = {
            "dropout of hidden units": (
                lambda hidden=hidden: nn.functional.dropout(hidden, SHARE),  # type: ignore[misc]
                lambda hidden=hidden: Dropout(SHARE).train()(hidden),  # type: ignore[misc]
            ),
            **{
                f"attention, {share:.0%} dropped": (
                    partial(_theirs, joined, (heads, width), mask, share),
                    partial(attend, [joined], (heads, width), mask, share),
                )
                for share in (0.0, SHARE)
            },
        }
        for part, (theirs, ours) in compared.items():
            times = [(_seconds(theirs), _seconds(ours)) for _ in range(rounds + 1)][1:]
            their, our = (median(each) for each in zip(*times, strict=True))
            found.append({"model": model, "part": part, "pytorch_ms": their * 1000, "ours_ms": our * 1000})
    table = Table("model", "part", "PyTorch, ms", "ours, ms", "times faster")
    for each in found:
        faster = each["pytorch_ms"] / each["ours_ms"]
        table.add_row(
            each["model"], each["part"], f"{each['pytorch_ms']:.1f}", f"{each['ours_ms']:.1f}", f"{faster:.1f}"
        )
    Console().print(table)
    write_json(RESULTS, {"processor": machine.processor(), "parts": found})


def _theirs(joined: torch.Tensor, heads: Heads, mask: torch.Tensor, share: float) -> torch.Tensor:
    """PyTorch's attention of what is projected in one product, side by side."""
    query, key, value = (each.unflatten(-1, heads).transpose(1, 2) for each in joined.chunk(3, dim=-1))
    found = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=share)
    return found.transpose(1, 2).flatten(2)


def _seconds(compute: Callable[[], torch.Tensor]) -> float:
    """There and back."""
    began = time.perf_counter()
    compute().sum().backward()
    return time.perf_counter() - began


if __name__ == "__main__":
    with told():
        typer.run(main)
