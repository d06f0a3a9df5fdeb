"""Histories of trainings, made up."""

from typing import Any


def history(epochs: int, steps: int) -> list[dict[str, Any]]:
    """What an engine logs in so many epochs, each with so many steps that are logged."""
    logged: list[dict[str, Any]] = []
    for epoch in range(1, epochs + 1):
        for step in range(1, steps + 1):
            done = epoch - 1 + step / steps
            logged.append({"kind": "step", "step": round(10 * steps * done), "epoch": done, "loss": 1 / (1 + done)})
        scores = {"validation_loss": 0.7 - 0.01 * epoch, "validation_accuracy": 0.9, "validation_f1_macro": 0.8999}
        logged.append({"kind": "epoch", "step": 10 * steps * epoch, "epoch": float(epoch), **scores})
    return logged
