"""One training of bench/training.py, in a process of its own, timed by the Trainer's own callbacks."""

import json
import sys
import time
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from datasets import Dataset
from transformers import (
    AutoConfig,
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
from bench.training import BATCH, HALVES, MAX_TOKENS, MINILM, THEIRS
from core.files import PROJECT
from core.recipe import Recipe, load
from train import cost, lean, precision
from train.encoders import resolve
from train.engines import start
from train.engines.batches import LengthGrouped
from train.engines.trainer import OrderedTrainer

WARM, PIECES = 2, 2
"""Steps that are not timed, and pieces of a batch that is read in halves."""


class Clock(TrainerCallback):
    """When each step ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Take the time."""
        self.ends.append(time.perf_counter())


def main() -> None:
    """Train as the arguments say, and print what it took as JSON."""
    model_name, way, data, steps, seed, held_out, folder = sys.argv[1:]
    n_steps, ours = int(steps) + WARM, way != THEIRS
    recipe = load(PROJECT / "train" / "recipes" / "imdb.toml", ["encoder=minilm"])
    if ours:
        lean.economise()
    set_seed(int(seed))
    encoder = resolve("minilm").folder
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    model = _model(model_name, encoder, recipe if ours else None)
    if model_name != MINILM:
        tokenizer.model_input_names = ["input_ids", "attention_mask"]
    all_rows = pq.read_table(data, filters=[("split", "=", "train")])
    shuffled = np.random.default_rng(1).permutation(len(all_rows))
    texts, others = all_rows.take(shuffled[: n_steps * BATCH]), all_rows.take(shuffled[::-1][: int(held_out)])
    del all_rows  # its memory is no part of training
    padding: Any = False if ours else "max_length"
    encoded = tokenizer(texts["text"].to_pylist(), truncation=True, max_length=MAX_TOKENS, padding=padding)
    rows = Dataset.from_dict({**encoded, "labels": texts["label"].to_pylist()})
    lengths = [sum(mask) for mask in rows["attention_mask"]]
    settings = recipe.training.model_copy(update={"precision": precision.choose("auto"), "max_tokens": MAX_TOKENS})
    bf16 = ours and settings.precision == "bf16"
    clock, pieces = Clock(), PIECES if way == HALVES else 1
    padded = DataCollatorWithPadding(tokenizer, pad_to_multiple_of=start.multiple(settings))
    trainer_of = partial(OrderedTrainer, LengthGrouped(lengths, BATCH, int(seed), 1)) if ours else Trainer
    trainer = trainer_of(
        model=model,
        args=TrainingArguments(
            folder, per_device_train_batch_size=BATCH // pieces, gradient_accumulation_steps=pieces, max_steps=n_steps,
            bf16=bf16, use_cpu=True, seed=int(seed), warmup_steps=start.warmup_steps(recipe, n_steps) if ours else 0,
            max_grad_norm=0.0 if ours else 1.0,  # our optimiser clips
            report_to="none", save_strategy="no", disable_tqdm=True, logging_strategy="no",
        ),
        train_dataset=rows,
        data_collator=padded if ours else default_data_collator,
        callbacks=[clock],
        optimizers=(start.optimizer(model, recipe), None) if ours else (None, None),
    )  # fmt: skip
    read = list(trainer._get_train_sampler(rows) or [])
    peaks = [subjects.peak_flops(torch.bfloat16 if bf16 else torch.float32)]
    seconds = _timed(trainer, clock)
    peaks.append(subjects.peak_flops(torch.bfloat16 if bf16 else torch.float32))
    peak = mean(peaks)
    n_read = [lengths[row] for row in read[WARM * BATCH :]]
    found = {
        "tokens_per_second": sum(n_read) / seconds,
        "peak_bytes": _memory[0],
        "peak_flops": peak,
        "share": _flops(model, n_read) / seconds / peak,
    }
    if int(held_out):
        found["accuracy"] = _accuracy(trainer, tokenizer, others)
    print(json.dumps(found))


_memory: list[int] = []


def _timed(trainer: Trainer, clock: Clock) -> float:
    """Seconds of the steps after the first ones."""
    phases: dict[str, Any] = {}
    with cost.measured(phases, "training"):
        trainer.train()
    _memory.append(int(phases["training"]["peak_memory_bytes"]))
    return clock.ends[-1] - clock.ends[WARM - 1]


def _model(name: str, encoder: Path, recipe: Recipe | None) -> PreTrainedModel:
    """The model, with a recipe's dropout and frozen parts or as it is."""
    config = AutoConfig.from_pretrained(encoder, num_labels=2) if name == MINILM else DistilBertConfig(num_labels=2)
    if recipe:
        for place in ("hidden_dropout_prob", "dropout"):
            setattr(config, place, recipe.training.dropout)
        for place in ("attention_probs_dropout_prob", "attention_dropout"):
            setattr(config, place, recipe.training.attention_dropout)
    if name == MINILM:
        found: PreTrainedModel = AutoModelForSequenceClassification.from_pretrained(encoder, config=config)
    else:
        found = AutoModelForSequenceClassification.from_config(config)
    if recipe:
        layers = "encoder" if name == MINILM else "transformer"
        start.freeze(found, tuple(each.replace("encoder", layers, 1) for each in recipe.training.frozen))
        start.hasten(found)
    return found


def _flops(model: PreTrainedModel, lengths: list[int]) -> float:
    """Operations: all weights forward, and those that are trained twice as many backward, but for embeddings."""
    weights = {name: each for name, each in model.named_parameters() if "embedding" not in name}
    forward = sum(each.numel() for each in weights.values())
    backward = 2 * sum(each.numel() for each in weights.values() if each.requires_grad)
    width = getattr(model.config, "hidden_size", None) or model.config.dim
    layers = getattr(model.config, "num_hidden_layers", None) or model.config.n_layers
    attention = sum(4 * length * length * width * layers for length in lengths)
    return (forward + backward) * (2 * sum(lengths) + attention / forward)


def _accuracy(trainer: Trainer, tokenizer: Any, rows: pa.Table) -> float:
    """Of the trained model, on reviews that it was not trained on."""
    encoded = tokenizer(rows["text"].to_pylist(), truncation=True, max_length=MAX_TOKENS)
    trainer.data_collator = DataCollatorWithPadding(tokenizer)
    found = trainer.predict(Dataset.from_dict(dict(encoded)))
    return float((found.predictions.argmax(axis=1) == rows["label"].to_numpy()).mean())


if __name__ == "__main__":
    main()
