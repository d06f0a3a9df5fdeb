"""A tiny recipe for tests: 176 reviews of a dozen words' vocabulary, and a random two-layer BERT as encoder."""

import json
import random
from pathlib import Path

import tomli_w

PRAISE = ["lovely", "moving", "gripping", "fresh", "tender"]
BLAME = ["dull", "stale", "clumsy", "hollow", "wooden"]
FILLER = ["the", "plot", "and", "film", "was", "book", "a", "i", "found", "it", "very", "of", "acting"]
SIZES = {"train": 120, "validation": 24, "test": 32}


def write(folder: Path) -> Path:
    """Write data, encoder and recipe into `folder`; returns the recipe file."""
    rows = _rows(random.Random(7))
    (folder / "reviews.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    write_encoder(folder / "encoder")
    path = folder / "tiny.toml"
    path.write_text(tomli_w.dumps(values(folder)), encoding="utf-8")
    return path


def values(folder: Path) -> dict[str, object]:
    """The recipe as a dictionary."""
    return {
        "title": "Tiny sentiment",
        "labels": ["negative", "positive"],
        "encoder": str(folder / "encoder"),
        "data": {"file": str(folder / "reviews.jsonl"), "slices": ["kind"]},
        "training": {"epochs": 8, "batch_size": 8, "learning_rate": 0.002, "max_tokens": 16, "dropout": 0.0},
        "publish": {"texts": True, "license": "apache-2.0", "examples": ["a lovely film", "a dull book"]},
    }


def write_encoder(folder: Path) -> None:
    """A random BERT with two layers of 32 units, and a tokenizer that knows the tiny vocabulary."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder.mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *PRAISE, *BLAME, *FILLER, *"abcdefghijklmnopqrstuvwxyz"]
    (folder / "vocab.txt").write_text("\n".join(dict.fromkeys(words)), encoding="utf-8")
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    size["initializer_range"] = 0.3  # the usual 0.02 leaves so small a model unable to learn
    BertModel(BertConfig(vocab_size=len(dict.fromkeys(words)), max_position_embeddings=64, **size)).save_pretrained(
        folder
    )


def _rows(rng: random.Random) -> list[dict[str, str]]:
    splits = [split for split, size in SIZES.items() for _ in range(size)]
    labels = ["negative", "positive"] * (len(splits) // 2)
    return [
        {"id": f"r{n}", "text": _text(rng, label), "label": label, "split": split, "kind": "book" if n % 3 else "film"}
        for n, (split, label) in enumerate(zip(splits, labels, strict=True))
    ]


def _text(rng: random.Random, label: str) -> str:
    # One text in eight has words of the other side, so that no model gets everything right.
    own, other = (PRAISE, BLAME) if label == "positive" else (BLAME, PRAISE)
    words = [*rng.choices(FILLER, k=rng.randint(1, 14)), *rng.choices(own if rng.random() < 0.875 else other, k=3)]
    rng.shuffle(words)
    return " ".join(words)
