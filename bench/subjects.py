"""What the speed benches measure: MiniLM as a run has it, and a model of DistilBERT's size that says the same.

That is MiniLM made twice as wide, each of its channels there twice, so that its decisions are a trained model's; how
fast it is has nothing to do with what its weights are. Both lie in folders with their ONNX files and golden batch, as
`train export` makes them.
"""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertConfig

from core import predictor
from core.model_files import WEIGHTS
from core.parity import Golden
from core.runs import Run
from train.export import golden_texts
from train.to_onnx import quantise, write_onnx

MINILM, DISTILBERT = "MiniLM", "DistilBERT's size"
MAX_TOKENS = 256


@contextmanager
def both(run: Run) -> Iterator[dict[str, Path]]:
    """A copy of the run's model, and the wide one, each by its name; texts are cut at MAX_TOKENS tokens."""
    with tempfile.TemporaryDirectory(prefix="verdict-") as name:
        folders = {MINILM: Path(name) / "minilm", DISTILBERT: Path(name) / "distilbert"}
        shutil.copytree(run.model, folders[MINILM], ignore=shutil.ignore_patterns("onnx"))
        shutil.copytree(folders[MINILM], folders[DISTILBERT])
        _widen(folders[DISTILBERT])
        for folder in folders.values():
            tokenizer = AutoTokenizer.from_pretrained(folder)
            tokenizer.model_max_length = MAX_TOKENS
            tokenizer.save_pretrained(folder)
            _export(folder, run)
        yield folders


def texts(run: Run, n: int, lengths: tuple[int, ...]) -> dict[int, list[str]]:
    """`n` texts of about so many tokens each, special ones included, of the words of the run's examples."""
    words = " ".join(golden_texts(run.record.recipe)[0]).split()
    known = predictor.load(run.model)
    found = {}
    for length in lengths:
        found[length] = []
        for number in range(n):
            start = 7 * number % len(words)
            text = " ".join((words[start:] + words * 20)[: 2 * length])
            end = int(known.spans(text)[length - 3][1])
            found[length].append(text[:end])
    return found


def flops(folder: Path, lengths: list[int]) -> tuple[float, float]:
    """Floating-point operations of a BERT, forward, over texts of these lengths in tokens: the model's, and those done.

    The second leaves out what backends leave out: all but the first token in the last layer's queries and after them.
    """
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    weights = sum(each.numel() for name, each in model.named_parameters() if "embedding" not in name)
    width, layers, n = model.config.hidden_size, model.config.num_hidden_layers, np.array(lengths)
    attention = 4.0 * width * float((n * n).sum())
    unread = float((n - 1).sum()) * 2 * width * (2 * width + 2 * model.config.intermediate_size)
    whole = 2.0 * weights * float(n.sum()) + layers * attention
    return whole, whole - unread - 4.0 * width * float((n * (n - 1)).sum())


def peak_flops(dtype: torch.dtype, size: int = 2048, rounds: int = 8) -> float:
    """Operations a second of a large matrix product, at best, on all threads."""
    one, other = torch.randn(size, size).to(dtype), torch.randn(size, size).to(dtype)
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        one @ other
        times.append(time.perf_counter() - began)
    return 2 * size**3 / min(times)


def _widen(folder: Path) -> None:
    """Twice as wide, with each channel of MiniLM's there twice: as wide, deep and many-headed as DistilBERT."""
    config = BertConfig.from_pretrained(folder)
    heads = config.num_attention_heads
    weights = {}
    for name, value in load_file(folder / WEIGHTS).items():
        matrix = value.dim() == 2 and "embeddings" not in name
        if "attention.self" in name:  # what is there twice stays in its head
            value = value.unflatten(0, (heads, -1)).repeat_interleave(2, dim=1).flatten(0, 1)
            # Scores of keys twice as wide are twice as large, and divided by a root of two more.
            value = value * 0.5**0.5 if "query" in name else value
        elif not name.startswith("classifier") and not (value.dim() == 2 and "embeddings" in name):
            value = value.repeat_interleave(2, dim=0)
        if value.dim() == 2:
            value = value.repeat_interleave(2, dim=1) / (2 if matrix else 1)
        weights[name] = value.contiguous()
    save_file(weights, folder / WEIGHTS, {"format": "pt"})
    config.update({"hidden_size": 2 * config.hidden_size, "intermediate_size": 2 * config.intermediate_size})
    config.save_pretrained(folder)


def _export(folder: Path, run: Run) -> None:
    (folder / "onnx").mkdir()
    write_onnx(folder)
    quantise(folder)
    given, pairs = golden_texts(run.record.recipe)
    Golden(given, pairs, predictor.load(folder).predict(given, pairs).logits.tolist()).save(folder)
