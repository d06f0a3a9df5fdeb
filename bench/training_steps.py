"""One training of bench/training.py, in a process of its own: a few steps, timed by the Trainer's own callbacks."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from datasets import Dataset
from torch.utils.data import Sampler
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    DistilBertConfig,
    PreTrainedModel,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    default_data_collator,
    set_seed,
)

from bench import subjects
from bench.training import BATCH, MAX_TOKENS, MINILM, OURS
from train import cost, lean, precision
from train.encoders import resolve
from train.engines import dropout
from train.engines.batches import LengthGrouped

WARM = 2
"""Steps that are not timed."""


class Clock(TrainerCallback):
    """When each step ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Take the time."""
        self.ends.append(time.perf_counter())


class Ours(Trainer):
    """The Trainer with the order of texts that the `trainer` engine gives it."""

    order: Sampler[int]

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:
        return self.order


def main() -> None:
    """Train as the arguments say, and print what it took as JSON."""
    model_name, way, data, steps, folder = sys.argv[1:]
    n_steps = int(steps) + WARM
    ours = way == OURS
    if ours:
        lean.economise()
    set_seed(1)
    encoder = resolve("minilm").folder
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    model = _model(model_name, encoder)
    if model_name != MINILM:
        tokenizer.model_input_names = ["input_ids", "attention_mask"]
    texts = pq.read_table(data, filters=[("split", "=", "train")])
    texts = texts.take(np.random.default_rng(1).permutation(len(texts))[: n_steps * BATCH])
    padding: Any = False if ours else "max_length"
    encoded = tokenizer(texts["text"].to_pylist(), truncation=True, max_length=MAX_TOKENS, padding=padding)
    rows = Dataset.from_dict({**encoded, "labels": texts["label"].to_pylist()})
    lengths = [sum(mask) for mask in rows["attention_mask"]]
    bf16 = ours and precision.choose("auto") == "bf16"
    clock = Clock()
    trainer = (Ours if ours else Trainer)(
        model=model,
        args=TrainingArguments(
            folder, per_device_train_batch_size=BATCH, max_steps=n_steps, learning_rate=2e-5, bf16=bf16, use_cpu=True,
            report_to="none", save_strategy="no", disable_tqdm=True, logging_strategy="no",
        ),
        train_dataset=rows,
        data_collator=DataCollatorWithPadding(tokenizer) if ours else default_data_collator,
        callbacks=[clock],
    )  # fmt: skip
    if isinstance(trainer, Ours):
        trainer.order = LengthGrouped(lengths, BATCH, 1, 1)
        dropout.install(model)
    read = list(trainer._get_train_sampler(rows) or [])
    seconds = _timed(trainer, clock)
    tokens = sum(lengths[row] for row in read[WARM * BATCH :])
    flops = 3 * (2 * _trained(model) * tokens + _attention(model, [lengths[row] for row in read[WARM * BATCH :]]))
    peak = subjects.peak_flops(torch.bfloat16 if bf16 else torch.float32)
    print(
        json.dumps(
            {
                "tokens_per_second": tokens / seconds,
                "peak_bytes": _memory[0],
                "peak_flops": peak,
                "share": flops / seconds / peak,
            }
        )
    )


_memory: list[int] = []


def _timed(trainer: Trainer, clock: Clock) -> float:
    """Seconds of the steps after the first ones."""
    phases: dict[str, Any] = {}
    with cost.measured(phases, "training"):
        trainer.train()
    _memory.append(int(phases["training"]["peak_memory_bytes"]))
    return clock.ends[-1] - clock.ends[WARM - 1]


def _model(name: str, encoder: Path) -> PreTrainedModel:
    if name == MINILM:
        found: PreTrainedModel = AutoModelForSequenceClassification.from_pretrained(encoder, num_labels=2)
    else:
        found = AutoModelForSequenceClassification.from_config(DistilBertConfig(num_labels=2))
    return found


def _trained(model: PreTrainedModel) -> int:
    return sum(each.numel() for name, each in model.named_parameters() if "embedding" not in name)


def _attention(model: PreTrainedModel, lengths: list[int]) -> float:
    width = getattr(model.config, "hidden_size", None) or model.config.dim
    layers = getattr(model.config, "num_hidden_layers", None) or model.config.n_layers
    return float(sum(4 * length * length * width * layers for length in lengths))


if __name__ == "__main__":
    main()
