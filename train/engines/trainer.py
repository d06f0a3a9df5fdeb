"""The `trainer` engine: Hugging Face's Trainer.

Batches are formed by length and padded to their longest text. The validation split is read after each epoch; the model
with the lowest validation loss is kept, and training stops when it no longer falls.
"""

import json
import time
from functools import partial
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from safetensors.torch import load_file, save_file
from torch import nn
from torch.utils.data import Sampler
from transformers import (
    DataCollatorWithPadding,
    EvalPrediction,
    PreTrainedModel,
    ProgressCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from core.evaluate_metric import ReviewMetrics
from core.files import write_json
from core.predictor import require_finite
from train import lean
from train.engines import start
from train.engines.average import Average
from train.engines.selection import Selection
from train.engines.start import Job

OURS = "verdict.json"
"""The file of a checkpoint that is written last: one without it was not finished."""
AVERAGE = "average.safetensors"


def train(job: Job, micro_batch: int) -> dict[str, Any]:
    """Train the job's recipe, `micro_batch` texts at a time; the best model goes to `job.run.model`.

    Returns the cost. Raises ModelError when training diverges.
    """
    start.seed(job.recipe)
    tokenizer = start.tokenizer(job)
    train_set, validation_set = (Dataset.from_dict(each) for each in start.tokenized(job))
    longest_first = torch.tensor(validation_set["length"]).argsort(descending=True, stable=True)
    validation_set = validation_set.select(longest_first.tolist())  # like lengths beside each other, too
    model, order = start.model(job), start.order(job.recipe, train_set["length"])
    trainer = _Trainer(
        job,
        order,
        model=model,
        args=_arguments(job, micro_batch, len(order)),
        train_dataset=train_set,
        eval_dataset=validation_set,
        data_collator=DataCollatorWithPadding(tokenizer, pad_to_multiple_of=start.multiple(job.recipe.training)),
        compute_metrics=_scores,
        compute_loss_func=partial(_loss, smoothing=job.recipe.training.label_smoothing),
        optimizers=(start.optimizer(model, job.recipe), None),
    )
    progress, checkpoint = trainer.progress, newest_checkpoint(job.checkpoints)
    if checkpoint:
        progress.restore(checkpoint)
    job.run.rewind(progress.step)
    if not progress.selection.exhausted:
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    start.keep_best(job, tokenizer)
    return {
        "train_seconds": progress.seconds,
        "epochs": progress.epochs,
        "best_step": progress.selection.best_step,
        "tokens_per_second": order.tokens * progress.epochs / progress.seconds,
    }


def newest_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that was written to its end."""
    found = [path.parent for path in folder.glob(f"checkpoint-*/{OURS}")]
    return max(found, key=lambda path: int(path.name.split("-")[1]), default=None)


def _arguments(job: Job, micro_batch: int, rows: int) -> TrainingArguments:
    settings = job.recipe.training
    steps = settings.epochs * -(-rows // settings.batch_size)
    return TrainingArguments(
        output_dir=str(job.checkpoints),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=micro_batch,
        gradient_accumulation_steps=settings.batch_size // micro_batch,
        per_device_eval_batch_size=2 * micro_batch,
        learning_rate=settings.learning_rate,
        warmup_steps=start.warmup_steps(job.recipe, steps),
        max_grad_norm=0,  # the optimiser clips
        bf16=settings.precision == "bf16",
        use_cpu=not torch.cuda.is_available(),
        eval_strategy="epoch",
        save_strategy="steps",
        save_steps=settings.checkpoint_steps,
        save_total_limit=2,  # while one is written, the other is whole
        logging_steps=10,
        disable_tqdm=False,
        seed=job.recipe.seed,
        data_seed=job.recipe.seed,
        report_to="none",
        dataloader_pin_memory=torch.cuda.is_available(),
    )


def _loss(
    outputs: Any, labels: torch.Tensor, num_items_in_batch: torch.Tensor | int | None = None, *, smoothing: float
) -> torch.Tensor:
    """Mean loss over the whole batch, in however many pieces it is read."""
    count = len(labels) if num_items_in_batch is None else num_items_in_batch
    return start.loss(outputs["logits"], labels, smoothing) / count


def _scores(given: EvalPrediction) -> dict[str, float]:
    require_finite(given.predictions)
    return dict(ReviewMetrics().compute(predictions=given.predictions, references=given.label_ids))


class OrderedTrainer(Trainer):
    """The Trainer with an order of texts that it is given; gradients are clipped by the optimiser alone."""

    def __init__(self, order: Sampler[int], **given: Any) -> None:
        super().__init__(**given)
        self.order = order
        self.add_callback(_Release)

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:
        return self.order

    def _get_grad_norm(self, model: nn.Module, grad_norm: Any = None) -> None:
        """Of no use here, and takes as long as the optimiser."""


class _Release(TrainerCallback):
    """Memory that is free goes back from time to time."""

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        lean.step_done(state.global_step)


class _Trainer(OrderedTrainer):
    """With averaged weights, selection and checkpoints of our own."""

    def __init__(self, job: Job, order: Sampler[int], **given: Any) -> None:
        super().__init__(order, **given)
        self.job = job
        self.trained: PreTrainedModel = given["model"]
        self.average = Average(self.trained, job.recipe.training.average)
        self.progress = _Progress(self)
        self.remove_callback(ProgressCallback)
        self.add_callback(_Bar)
        self.add_callback(self.progress)

    def evaluate(self, *args: Any, **more: Any) -> dict[str, float]:
        with self.average.applied():
            scores: dict[str, float] = super().evaluate(*args, **more)
            if self.progress.selection.offer(scores["eval_loss"], self.state.global_step):
                start.save_best(self.job, self.trained)
        self.control.should_training_stop |= self.progress.selection.exhausted
        return scores


class _Progress(TrainerCallback):
    """What the Trainer does not keep: the average, the selection, the time, and the history under our names."""

    def __init__(self, trainer: _Trainer) -> None:
        self._trainer, self._job = trainer, trainer.job
        self.selection = Selection(self._job.recipe.training.patience)
        self.step, self.epochs = 0, 0.0
        self._before, self._since = 0.0, time.monotonic()

    @property
    def seconds(self) -> float:
        """Time in training so far, also before an interruption."""
        return self._before + time.monotonic() - self._since

    def restore(self, checkpoint: Path) -> None:
        """Go on from what `on_save` stored."""
        ours = json.loads((checkpoint / OURS).read_text(encoding="utf-8"))
        self.selection = Selection(**ours["selection"])
        self.step, self.epochs, self._before = ours["step"], ours["epochs"], ours["seconds"]
        stored = load_file(checkpoint / AVERAGE)
        self._trainer.average.restore([stored[str(place)] for place in range(len(stored))])

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._trainer.average.update()
        # A loss is averaged since the last log: at a checkpoint none may be under way.
        control.should_log |= control.should_save
        # The last step of an epoch is stored after the look at validation: a run resumed from there must not skip it.
        control.should_save &= not (state.epoch or 0.0).is_integer()

    def on_epoch_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        control.should_log = control.should_save = True

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        checkpoint = self._job.checkpoints / f"checkpoint-{state.global_step}"
        averages = self._trainer.average.state()
        save_file({str(place): each for place, each in enumerate(averages)}, checkpoint / AVERAGE)
        self.step, self.epochs = state.global_step, state.epoch or 0.0
        selection = self.selection.state()
        where = {"step": self.step, "epochs": self.epochs, "seconds": self.seconds}
        write_json(checkpoint / OURS, {"selection": selection, **where})

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
            self._job.log({"kind": "step", **where, "loss": logs["loss"], "learning_rate": logs["learning_rate"]})
        elif "eval_loss" in logs:
            scores = {f"validation_{name}": logs[f"eval_{name}"] for name in start.LOGGED}
            self._job.log({"kind": "epoch", **where, **scores})


class _Bar(ProgressCallback):
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
