"""What both engines start from, so that they differ in how they train and in nothing else."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import torch.utils.deterministic
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    set_seed,
)

from core.data import Splits
from core.errors import RecipeError
from core.recipe import Recipe, Training
from core.runs import Run
from train.encoders import Encoder
from train.engines import dropout, layers
from train.engines.batches import LengthGrouped

LENGTHS = 8
"""Of batches in bf16: what oneDNN compiles for one is used again."""
GRAIN = 8
"""What lengths are rounded up to in fp32, whose products are compiled for no length: more would be read for nothing."""


@dataclass(frozen=True)
class Job:
    """What an engine is given. It goes on from the run's last checkpoint where there is one."""

    recipe: Recipe
    splits: Splits
    encoder: Encoder
    run: Run
    log: Callable[[dict[str, Any]], None]
    """takes each entry of the history"""

    @property
    def checkpoints(self) -> Path:
        """Where the engine keeps what resuming needs."""
        return self.run.path / "checkpoints"

    @property
    def best(self) -> Path:
        """Folder of the best model so far."""
        return self.checkpoints / "best"


def seed(recipe: Recipe) -> None:
    """Seed every generator, and have the libraries choose repeatable ways."""
    set_seed(recipe.seed)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # costs time, and nothing here reads such memory


def learned(splits: Splits, recipe: Recipe) -> Splits:
    """The splits as the engines read them: training has pairs in both orders where the recipe says so, see `order`."""
    if not recipe.training.both_orders:
        return splits
    train = splits["train"]
    swapped = train.rename(columns={"text": "text_pair", "text_pair": "text"})[train.columns]
    return splits | {"train": pd.concat([train, swapped], ignore_index=True)}


def order(recipe: Recipe, lengths: Sequence[int]) -> LengthGrouped:
    """How the rows of `learned` training are read, whose `lengths` are in tokens."""
    variants = 2 if recipe.training.both_orders else 1
    return LengthGrouped(lengths, recipe.training.batch_size, recipe.seed, variants)


def tokenizer(job: Job) -> PreTrainedTokenizerBase:
    """The encoder's tokenizer, which cuts texts where the recipe says."""
    found: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(job.encoder.folder, local_files_only=True)
    found.model_max_length = job.recipe.training.max_tokens  # whoever loads the model cuts where it was measured
    return found


def tokenized(job: Job) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    """Training and validation: token ids (and what else the model takes), `labels` and `length`; nothing is padded."""
    whole = learner = tokenizer(job)
    if last := job.recipe.training.last_tokens:
        learner = tokenizer(job)
        learner.truncation_side, learner.model_max_length = "left", min(last, whole.model_max_length)
    return _tokenized(job.splits["train"], learner), _tokenized(job.splits["validation"], whole)


def _tokenized(frame: pd.DataFrame, tokenizer: PreTrainedTokenizerBase) -> dict[str, list[Any]]:
    columns = [frame["text"].tolist()] + ([frame["text_pair"].tolist()] if "text_pair" in frame else [])
    encoded = tokenizer(*columns, truncation=True)
    lengths = [len(ids) for ids in encoded["input_ids"]]
    return {**encoded, "labels": frame["label"].tolist(), "length": lengths}


def multiple(settings: Training) -> int:
    """What the length of a batch is rounded up to a multiple of: in bf16 batches have no more than LENGTHS lengths.

    It is 1 where the longest text would be rounded to more than the model may be able to read.
    """
    most = settings.last_tokens or settings.max_tokens
    found = max(most // LENGTHS, 1) if settings.precision == "bf16" else GRAIN
    return 1 if settings.max_tokens % found else found


def loss(logits: torch.Tensor, labels: torch.Tensor, smoothing: float) -> torch.Tensor:
    """Sum over a batch of the cross-entropy with smoothed targets: C. Szegedy et al., CVPR 2016, section 7."""
    return nn.functional.cross_entropy(logits.float(), labels, reduction="sum", label_smoothing=smoothing)


def config(job: Job) -> PreTrainedConfig:
    """The encoder's configuration with the recipe's labels and dropout."""
    recipe = job.recipe
    found: PreTrainedConfig = AutoConfig.from_pretrained(
        job.encoder.folder,
        num_labels=len(recipe.labels),
        id2label=dict(enumerate(recipe.labels)),
        label2id={name: index for index, name in enumerate(recipe.labels)},
        problem_type="single_label_classification",
        trust_remote_code=False,
        local_files_only=True,
    )
    # BERT and DistilBERT name the same things differently.
    for name in ("hidden_dropout_prob", "dropout"):
        if hasattr(found, name):
            setattr(found, name, recipe.training.dropout)
    for name in ("attention_probs_dropout_prob", "attention_dropout"):
        if hasattr(found, name):
            setattr(found, name, recipe.training.attention_dropout)
    return found


def model(job: Job) -> PreTrainedModel:
    """The encoder with its architecture's own head for the recipe's labels, in float32."""
    found: PreTrainedModel = AutoModelForSequenceClassification.from_pretrained(
        job.encoder.folder,
        config=config(job),
        use_safetensors=True,
        trust_remote_code=False,
        local_files_only=True,
        dtype=torch.float32,
    )
    prepare(found, job.recipe)
    return found


def prepare(model: PreTrainedModel, recipe: Recipe) -> None:
    """Have a model of transformers start as the recipe says, and compute fast. Raises RecipeError."""
    if recipe.training.even_start:
        layers.look_evenly(model)
    freeze(model, recipe.training.frozen)
    hasten(model)


def hasten(model: PreTrainedModel) -> None:
    """Have a model of transformers compute as fast as a CPU can, where there is nothing but one."""
    if not torch.cuda.is_available():
        dropout.install(model)
        layers.install(model)


def freeze(model: PreTrainedModel, prefixes: tuple[str, ...]) -> None:
    """Stop training of the encoder's parameters whose names start with one of `prefixes`.

    Raises RecipeError for a prefix that none starts with.
    """
    names = dict(model.base_model.named_parameters())
    for prefix in prefixes:
        frozen = [parameter for name, parameter in names.items() if name.startswith(prefix)]
        if not frozen:
            known = sorted({name.split(".")[0] for name in names})
            raise RecipeError(f"training.frozen: no parameter of the encoder starts with {prefix}; {known} do.")
        for parameter in frozen:
            parameter.requires_grad = False


def optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW (I. Loshchilov and F. Hutter, ICLR 2019); biases and norms do not decay, and gradients are clipped."""
    trained = [each for each in model.parameters() if each.requires_grad]
    groups = [
        {"params": [each for each in trained if each.ndim > 1], "weight_decay": recipe.training.weight_decay},
        {"params": [each for each in trained if each.ndim <= 1], "weight_decay": 0.0},
    ]
    settings = recipe.training
    found = torch.optim.AdamW(groups, lr=settings.learning_rate, eps=settings.adam_epsilon, fused=True)
    found.register_step_pre_hook(partial(_clip, norm=settings.max_grad_norm))
    return found


def _clip(optimizer: Any, *_: Any, norm: float) -> None:
    """Scale gradients so that the norm of all is `norm` at most: R. Pascanu et al., ICML 2013, section 3.2.

    The optimiser divides them as it reads them, which takes half the time of a pass of its own.
    """
    parameters = [each for group in optimizer.param_groups for each in group["params"] if each.grad is not None]
    gradients = [each.grad.flatten() for each in parameters]
    found = torch.stack([torch.dot(each, each) for each in gradients]).sum().sqrt()
    optimizer.grad_scale = (found / norm).clamp(min=1.0)


def warmup_steps(recipe: Recipe, steps: int) -> int:
    """Steps of rising learning rate, of `steps` in all."""
    warmup = recipe.training.warmup
    return round(warmup) if warmup >= 1 else int(warmup * steps)


LOGGED = ("loss", "accuracy", "f1_macro")
"""Validation scores that the history holds of each epoch."""


def save_best(job: Job, model: PreTrainedModel) -> None:
    """Keep `model` as the best so far; one that is half written never replaces the one before."""
    fresh = job.checkpoints / "best.new"
    shutil.rmtree(fresh, ignore_errors=True)
    model.save_pretrained(fresh)
    shutil.rmtree(job.best, ignore_errors=True)
    fresh.rename(job.best)


def keep_best(job: Job, tokenizer: PreTrainedTokenizerBase) -> None:
    """Move the best model into the run, with its tokenizer."""
    shutil.copytree(job.best, job.run.model, dirs_exist_ok=True)
    tokenizer.save_pretrained(job.run.model)
