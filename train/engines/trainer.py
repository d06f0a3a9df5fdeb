"""The `trainer` engine: Hugging Face's Trainer.

Batches are formed by length and padded to their longest text. The validation split is read after each epoch; the
checkpoint with the lowest validation loss is the model, and training stops when it no longer falls.
"""

from typing import Any

import pandas as pd
import torch
from datasets import Dataset
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    EarlyStoppingCallback,
    EvalPrediction,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    ProgressCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
    set_seed,
)

from core.data import Splits
from core.evaluate_metric import ReviewMetrics
from core.predictor import require_finite
from core.recipe import Recipe
from core.runs import Run
from train import environment
from train.encoders import Encoder


def train(recipe: Recipe, splits: Splits, encoder: Encoder, run: Run) -> dict[str, Any]:
    """Train `recipe` from `encoder`; the best model goes to `run.model`. Returns the cost.

    Raises ModelError when training diverges.
    """
    set_seed(recipe.seed)
    tokenizer = _tokenizer(encoder, recipe)
    train_set, validation_set = (_tokenized(splits[name], tokenizer) for name in ("train", "validation"))
    trainer = Trainer(
        model=_model(encoder, recipe),
        args=_arguments(recipe, run),
        train_dataset=train_set,
        eval_dataset=validation_set,
        processing_class=tokenizer,
        data_collator=DataCollatorWithPadding(tokenizer),
        compute_metrics=_scores,
        callbacks=[EarlyStoppingCallback(recipe.training.patience), _History(run)],
    )
    trainer.remove_callback(ProgressCallback)
    trainer.add_callback(_Progress)
    result = trainer.train()
    _best(trainer).save_pretrained(run.model)
    tokenizer.save_pretrained(run.model)
    seconds = result.metrics["train_runtime"]
    epochs = trainer.state.epoch or 0.0
    return {
        "train_seconds": seconds,
        "epochs": epochs,
        "best_step": trainer.state.best_global_step,
        "tokens_per_second": sum(train_set["length"]) * epochs / seconds,
        "peak_memory_bytes": environment.peak_memory(),
    }


def _best(trainer: Trainer) -> PreTrainedModel:
    assert isinstance(trainer.model, PreTrainedModel)  # the Trainer has put the best checkpoint back into it
    return trainer.model


def _tokenizer(encoder: Encoder, recipe: Recipe) -> PreTrainedTokenizerBase:
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(encoder.folder, local_files_only=True)
    tokenizer.model_max_length = recipe.training.max_tokens  # whoever loads the model cuts where training did
    return tokenizer


def _model(encoder: Encoder, recipe: Recipe) -> PreTrainedModel:
    config = AutoConfig.from_pretrained(
        encoder.folder,
        num_labels=len(recipe.labels),
        id2label=dict(enumerate(recipe.labels)),
        label2id={name: index for index, name in enumerate(recipe.labels)},
        problem_type="single_label_classification",
        trust_remote_code=False,
        local_files_only=True,
    )
    _set_dropout(config, recipe)
    model: PreTrainedModel = AutoModelForSequenceClassification.from_pretrained(
        encoder.folder,
        config=config,
        use_safetensors=True,
        trust_remote_code=False,
        local_files_only=True,
        dtype=torch.float32,
    )
    return model


def _set_dropout(config: PreTrainedConfig, recipe: Recipe) -> None:
    # BERT and DistilBERT name the same things differently.
    for name in ("hidden_dropout_prob", "dropout"):
        if hasattr(config, name):
            setattr(config, name, recipe.training.dropout)
    for name in ("attention_probs_dropout_prob", "attention_dropout"):
        if hasattr(config, name):
            setattr(config, name, recipe.training.attention_dropout)


def _tokenized(frame: pd.DataFrame, tokenizer: PreTrainedTokenizerBase) -> Dataset:
    columns = [frame["text"].tolist()] + ([frame["text_pair"].tolist()] if "text_pair" in frame else [])
    encoded = tokenizer(*columns, truncation=True)
    lengths = [len(ids) for ids in encoded["input_ids"]]
    return Dataset.from_dict({**encoded, "labels": frame["label"].tolist(), "length": lengths})


def _arguments(recipe: Recipe, run: Run) -> TrainingArguments:
    settings = recipe.training
    return TrainingArguments(
        output_dir=str(run.path / "checkpoints"),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch_size,
        per_device_eval_batch_size=2 * settings.batch_size,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        warmup_steps=settings.warmup,  # below 1: a share of all steps
        max_grad_norm=settings.max_grad_norm,
        train_sampling_strategy="group_by_length",
        length_column_name="length",
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=1,
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
        greater_is_better=False,
        logging_steps=10,
        disable_tqdm=False,
        seed=recipe.seed,
        data_seed=recipe.seed,
        report_to="none",
        dataloader_pin_memory=torch.cuda.is_available(),
    )


def _scores(given: EvalPrediction) -> dict[str, float]:
    require_finite(given.predictions)
    return dict(ReviewMetrics().compute(predictions=given.predictions, references=given.label_ids))


class _Progress(ProgressCallback):
    """The Trainer's bar (rate, time left), with a line an epoch instead of everything that is logged."""

    training_bar: Any  # None but while training, which transformers does not declare

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        if self.training_bar is not None and logs and "eval_loss" in logs:
            scores = f"validation loss {logs['eval_loss']:.4f}, accuracy {logs['eval_accuracy']:.4f}"
            self.training_bar.write(f"epoch {logs['epoch']:.0f}: {scores}")


class _History(TrainerCallback):
    """Writes what the Trainer logs to the run's history, under our names."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        logs = logs or {}
        where = {"step": state.global_step, "epoch": round(state.epoch or 0.0, 4)}
        if "loss" in logs:
            self._run.log({"kind": "step", **where, "loss": logs["loss"], "learning_rate": logs["learning_rate"]})
        elif "eval_loss" in logs:
            scores = {f"validation_{name[5:]}": logs[name] for name in logs if f"{name[5:]}" in _LOGGED}
            self._run.log({"kind": "epoch", **where, **scores})


_LOGGED = ("loss", "accuracy", "f1_macro")
