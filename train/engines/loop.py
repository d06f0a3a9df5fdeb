"""The `loop` engine: plain PyTorch, to be read from top to bottom.

Trains an encoder with a linear head on [CLS] (core/cls_head.py). Every optimiser step reads one batch, `micro_batch`
texts at a time; every epoch ends with a look at the validation split, and the model with the lowest loss there is kept.
"""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import BatchSampler, DataLoader, Dataset
from tqdm import tqdm
from transformers import AutoModel, get_linear_schedule_with_warmup

from core import metrics
from core.cls_head import ClsConfig, ClsForSequenceClassification
from core.files import write_atomically
from core.metrics import Outcome
from core.predictor import require_finite
from train import lean
from train.engines import start
from train.engines.average import Average
from train.engines.selection import Selection
from train.engines.start import Job

Example = dict[str, Any]
LOG_STEPS = 10


def train(job: Job, micro_batch: int) -> dict[str, Any]:
    """Train the job's recipe, `micro_batch` texts at a time; the best model goes to `job.run.model`.

    Returns the cost. Raises ModelError when training diverges.
    """
    start.seed(job.recipe)
    training = _Training(job, micro_batch)
    training.resume()
    job.run.rewind(training.step)
    while training.epoch < job.recipe.training.epochs and not training.selection.exhausted:
        training.read_epoch()
        training.end_epoch()
    start.keep_best(job, training.tokenizer)
    return {
        "train_seconds": training.seconds,
        "epochs": training.epoch,
        "best_step": training.selection.best_step,
        "tokens_per_second": training.order.tokens * training.epoch / training.seconds,
    }


class Examples(Dataset[Example]):
    """A tokenized split: an example is its token ids (and what else the model takes) and its label, not padded."""

    def __init__(self, columns: dict[str, list[Any]]) -> None:
        self.lengths: list[int] = columns.pop("length")
        self._columns = columns

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, row: int) -> Example:
        return {name: values[row] for name, values in self._columns.items()}


class _Training:
    """The state of a training: all that must be the same again after an interruption."""

    def __init__(self, job: Job, micro_batch: int) -> None:
        settings = job.recipe.training
        self.job, self.settings, self.micro_batch = job, settings, micro_batch
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.tokenizer = start.tokenizer(job)
        train, validation = (Examples(each) for each in start.tokenized(job))
        self.sets = {"train": train, "validation": validation}
        self.model = _model(job)
        self.model.to(self.device)  # type: ignore[arg-type]
        self.optimizer = start.optimizer(self.model, job.recipe)
        self.order = start.order(job.recipe, self.sets["train"].lengths)
        self.steps_per_epoch = -(-len(self.order) // settings.batch_size)
        steps = settings.epochs * self.steps_per_epoch
        self.schedule = get_linear_schedule_with_warmup(  # type: ignore[no-untyped-call]
            self.optimizer, start.warmup_steps(job.recipe, steps), num_training_steps=steps
        )
        self.average = Average(self.model, settings.average)
        self.selection = Selection(settings.patience)
        self.epoch, self.step, self.losses = 0, 0, list[float]()
        self._before, self._since = 0.0, time.monotonic()

    @property
    def seconds(self) -> float:
        """Time in training so far, also before an interruption."""
        return self._before + time.monotonic() - self._since

    def read_epoch(self) -> None:
        """Take the optimiser steps of the epoch that are not taken yet."""
        self.model.train()
        self.order.set_epoch(self.epoch)
        done = self.step - self.epoch * self.steps_per_epoch
        batches = list(BatchSampler(self.order, self.settings.batch_size, drop_last=False))[done:]
        # A generator of its own: the loader draws a number that would otherwise shift dropout's.
        loader = DataLoader(self.sets["train"], batch_sampler=batches, collate_fn=list, generator=torch.Generator())
        for examples in tqdm(
            loader, desc=f"Epoch {self.epoch + 1}", initial=done, total=self.steps_per_epoch, unit="step"
        ):
            self.losses.append(self._step(examples))
            self.step += 1
            lean.step_done(self.step)
            checkpoint = self.step % self.settings.checkpoint_steps == 0
            if checkpoint or self.step % LOG_STEPS == 0:
                self._log_loss()
            if checkpoint and self.step % self.steps_per_epoch:  # an epoch's end is stored after the look at validation
                self.save()

    def end_epoch(self) -> None:
        """Look at the validation split, keep the best model, and store everything."""
        self._log_loss()
        self.epoch += 1
        with self.average.applied():
            scores = metrics.values(self._outcome())
            if self.selection.offer(scores["loss"], self.step):
                start.save_best(self.job, self.model)
        self._log("epoch", **{f"validation_{name}": scores[name] for name in start.LOGGED})
        tqdm.write(f"epoch {self.epoch}: validation loss {scores['loss']:.4f}, accuracy {scores['accuracy']:.4f}")
        self.save()

    def save(self) -> None:
        """Write a checkpoint, in one file and at once: a crash leaves the one before. No loss waits to be logged."""
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "average": self.average.state(),
            "selection": self.selection.state(),
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state_all(),
            "progress": (self.epoch, self.step, self.seconds),
        }
        write_atomically(self._checkpoint, lambda path: torch.save(state, path))

    def resume(self) -> None:
        """Go on from the checkpoint, if there is one."""
        if not self._checkpoint.is_file():
            return
        state = torch.load(self._checkpoint, map_location="cpu", weights_only=True)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.average.restore(state["average"])
        self.selection = Selection(**state["selection"])
        torch.set_rng_state(state["random"])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state_all(state["random_cuda"])
        self.epoch, self.step, self._before = state["progress"]

    @property
    def _checkpoint(self) -> Path:
        return self.job.checkpoints / "loop.pt"

    def _step(self, examples: Sequence[Example]) -> float:
        """One optimiser step on a batch; returns its mean loss."""
        total = 0.0
        for piece in _pieces(examples, self.micro_batch):
            inputs = self._padded(piece).to(self.device)
            loss = start.loss(self._logits(inputs), inputs["labels"], self.settings.label_smoothing) / len(examples)
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.item()
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad()
        self.average.update()
        return total

    def _logits(self, inputs: Any) -> torch.Tensor:
        given = {name: values for name, values in inputs.items() if name != "labels"}
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.precision == "bf16"):
            logits: torch.Tensor = self.model(**given).logits
        return logits.float()

    @torch.no_grad()
    def _outcome(self) -> Outcome:
        """The model's answers on the validation split."""
        self.model.train(False)
        found = self.sets["validation"]
        rows = sorted(range(len(found)), key=found.lengths.__getitem__, reverse=True)
        examples = [found[row] for row in rows]
        batches = [self._padded(piece) for piece in _pieces(examples, 2 * self.micro_batch)]
        bar = tqdm(batches, desc="Validation", unit="batch", leave=False)
        logits = np.concatenate([self._logits(inputs.to(self.device)).cpu().numpy() for inputs in bar])
        require_finite(logits)
        return Outcome.of_logits(logits, np.array([each["labels"] for each in examples]))

    def _padded(self, examples: Sequence[Example]) -> Any:
        """Tensors of a batch, padded to its longest text."""
        multiple = start.multiple(self.settings)
        return self.tokenizer.pad(list(examples), return_tensors="pt", pad_to_multiple_of=multiple)

    def _log_loss(self) -> None:
        if self.losses:
            rate = self.schedule.get_last_lr()[0]
            self._log("step", loss=sum(self.losses) / len(self.losses), learning_rate=rate)
        self.losses = []

    def _log(self, kind: str, **figures: float) -> None:
        where = {"step": self.step, "epoch": round(self.step / self.steps_per_epoch, 4)}
        self.job.log({"kind": kind, **where, **figures})


def _model(job: Job) -> ClsForSequenceClassification:
    known = start.config(job)
    encoder = AutoModel.from_pretrained(
        job.encoder.folder,
        config=known,
        use_safetensors=True,
        trust_remote_code=False,
        local_files_only=True,
        dtype=torch.float32,
    )
    config = ClsConfig(
        encoder=known.to_dict(),
        dropout=job.recipe.training.dropout,
        max_position_embeddings=known.max_position_embeddings,
        id2label=known.id2label,
        label2id=known.label2id,
        problem_type=known.problem_type,
    )
    model = ClsForSequenceClassification(config)
    weights = {name: each for name, each in encoder.state_dict().items() if not name.startswith("pooler.")}
    model.encoder.load_state_dict(weights)
    start.prepare(model, job.recipe)
    return model


def _pieces(examples: Sequence[Example], size: int) -> Iterator[Sequence[Example]]:
    return (examples[first : first + size] for first in range(0, len(examples), size))
