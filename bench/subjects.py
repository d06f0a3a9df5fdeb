"""What the speed benches measure: MiniLM as a run has it, and a model of DistilBERT's size with random weights.

Both lie in folders with their ONNX files and golden batch, as `train export` makes them.
"""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, DistilBertConfig

from core import predictor
from core.parity import Golden
from core.runs import Run
from train.encoders import resolve
from train.export import golden_texts
from train.to_onnx import quantise, write_onnx

MINILM, DISTILBERT = "MiniLM", "DistilBERT's size"
MAX_TOKENS = 256
SPREAD = 40.0
"""By which random weights of the last layer are multiplied, so that decisions are as clear as a trained model's."""


@contextmanager
def both(run: Run) -> Iterator[dict[str, Path]]:
    """A copy of the run's model, and the random one, each by its name; texts are cut at MAX_TOKENS tokens."""
    with tempfile.TemporaryDirectory(prefix="verdict-") as name:
        folders = {MINILM: Path(name) / "minilm", DISTILBERT: Path(name) / "distilbert"}
        shutil.copytree(run.model, folders[MINILM], ignore=shutil.ignore_patterns("onnx"))
        _write_distilbert(folders[DISTILBERT])
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


def non_embedding(folder: Path) -> int:
    """Weights that every token is multiplied by: all but those of the embeddings."""
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    return sum(each.numel() for name, each in model.named_parameters() if "embedding" not in name)


def attention_flops(folder: Path, lengths: list[int]) -> float:
    """Floating-point operations of attention's two products, forward, over texts of these lengths in tokens."""
    config = AutoModelForSequenceClassification.from_pretrained(folder).config
    width = getattr(config, "hidden_size", None) or config.dim
    layers = getattr(config, "num_hidden_layers", None) or config.n_layers
    return float(sum(4 * length * length * width * layers for length in lengths))


def peak_flops(dtype: torch.dtype, size: int = 2048, rounds: int = 8) -> float:
    """Operations a second of a large matrix product, at best, on all threads."""
    one, other = torch.randn(size, size).to(dtype), torch.randn(size, size).to(dtype)
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        one @ other
        times.append(time.perf_counter() - began)
    return 2 * size**3 / min(times)


def _write_distilbert(folder: Path) -> None:
    torch.manual_seed(1)
    labels = {"id2label": {0: "negative", 1: "positive"}, "label2id": {"negative": 0, "positive": 1}}
    model = AutoModelForSequenceClassification.from_config(DistilBertConfig(**labels))
    with torch.no_grad():
        model.classifier.weight *= SPREAD
    model.save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(resolve("minilm").folder)
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    tokenizer.save_pretrained(folder)


def _export(folder: Path, run: Run) -> None:
    (folder / "onnx").mkdir()
    write_onnx(folder)
    quantise(folder)
    given, pairs = golden_texts(run.record.recipe)
    Golden(given, pairs, predictor.load(folder).predict(given, pairs).logits.tolist()).save(folder)
