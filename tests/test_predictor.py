"""The model as transformers runs it, on any text that people can type, and from files that may be anything."""

import json
import re
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

from core import data, predictor
from core.errors import ModelError
from core.predictor import Predictor
from core.runs import Run
from tests.tiny import BLAME, FILLER, PRAISE

Damage = Callable[[Path], object]
WORDS = [*PRAISE, *BLAME, *FILLER]


@pytest.fixture(scope="module")
def model(run: Run) -> Predictor:
    return predictor.load(run.model)


def some_texts(n: int) -> list[str]:
    rng = np.random.default_rng(n)
    return [" ".join(rng.choice(WORDS, rng.integers(1, 60))) for _ in range(n)]


def test_batching_changes_no_result(model: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = some_texts(40)
    together = model.predict(texts)
    alone = np.concatenate([model.predict([text]).logits for text in texts])
    np.testing.assert_allclose(together.logits, alone, atol=1e-5)
    monkeypatch.setattr(predictor, "BUDGET", 50)
    np.testing.assert_allclose(model.predict(texts).logits, alone, atol=1e-5)
    np.testing.assert_allclose(model.predict(texts[::-1]).logits[::-1], alone, atol=1e-5)
    assert together.logits.dtype == np.float32
    assert together.logits.std() > 1e-3


def test_logits_are_those_of_transformers_own_pipeline(model: Predictor, run: Run) -> None:
    texts = ["a lovely film", "the book was dull and i found it hollow", *some_texts(8)]
    classify = pipeline("text-classification", model=str(run.model), device="cpu")
    answers = classify(texts, top_k=None, function_to_apply="none", truncation=True)
    theirs = [[score for name in model.labels for score in _scores(answer, name)] for answer in answers]
    np.testing.assert_allclose(model.predict(texts).logits, theirs, atol=1e-4)


def _scores(answer: list[dict[str, Any]], label: str) -> list[float]:
    return [each["score"] for each in answer if each["label"] == label]


def test_pairs_are_read_as_pairs(model: Predictor, run: Run) -> None:
    texts, pairs = some_texts(10), some_texts(11)[1:]
    tokenizer = AutoTokenizer.from_pretrained(run.model)
    encoded = tokenizer(texts, pairs, truncation=True, max_length=model.max_tokens, padding=True, return_tensors="pt")
    with torch.inference_mode():
        theirs = AutoModelForSequenceClassification.from_pretrained(run.model).eval()(**encoded).logits
    found = model.predict(texts, pairs)
    np.testing.assert_allclose(found.logits, theirs, atol=1e-5)
    assert found.n_tokens.tolist() == [len(f"{a} {b}".split()) + 3 for a, b in zip(texts, pairs, strict=True)]
    assert np.abs(found.logits - model.predict(texts).logits).max() > 1e-4


def test_truncation_is_counted(model: Predictor) -> None:
    limit = model.max_tokens
    lengths = [3, limit - 1, limit, limit + 1, 10 * limit]
    texts = [" ".join(["film"] * (n - 2)) for n in lengths]  # two special tokens
    found = model.predict(texts)
    assert found.n_tokens.tolist() == lengths
    assert found.truncated.tolist() == [False, False, False, True, True]
    assert model.truncated_share(pd.DataFrame({"text": texts})) == pytest.approx(0.4)
    np.testing.assert_allclose(found.logits[3], found.logits[4], atol=1e-5)


def test_a_model_reads_as_much_as_it_was_trained_on(model: Predictor, run: Run) -> None:
    assert model.max_tokens == run.record.recipe.training.max_tokens


def test_progress_ends_at_all_texts(model: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictor, "BUDGET", 4 * 16)  # lengths count as rounded up to 16
    seen: list[tuple[int, int]] = []
    model.predict(["a lovely film"] * 10, progress=lambda done, n: seen.append((done, n)))
    assert seen == [(4, 10), (8, 10), (10, 10)]


def test_no_texts_have_no_logits(model: Predictor) -> None:
    assert model.predict([]).logits.shape == (0, 2)


@pytest.mark.parametrize("text", ["a lovely film", " <b>a\0film</b>  !", "评論 naïve \ud83d film", "🎬 ok", ""])
def test_tokens_are_found_in_the_text(model: Predictor, text: str) -> None:
    spans = model.spans(text)
    assert model.predict([text]).n_tokens[0] == len(spans) + 2  # and two special tokens
    assert [text[a:b] for a, b in spans] == re.findall(r"[\u4e00-\u9fff]|\w+|[^\w\s\0]", text)
    assert (spans[:, 0] < spans[:, 1]).all()
    assert (spans[1:, 0] >= spans[:-1, 1]).all()


def test_a_split_is_predicted_with_its_hashes(model: Predictor, run: Run) -> None:
    frame = data.load_splits(run.record.recipe)["test"]
    found, stored = predictor.predict_split(model, frame), run.record.predictions("test")
    np.testing.assert_array_equal(found.logits, stored.logits)
    for name in ("id", "text_sha256", "label", "n_tokens", "truncated"):
        assert getattr(found, name).tolist() == getattr(stored, name).tolist()


def test_labels_are_in_the_order_of_the_outputs(model: Predictor) -> None:
    assert model.labels == ("negative", "positive")


def remove(*names: str) -> Damage:
    return lambda folder: [(folder / name).unlink() for name in names]


def put(name: str, content: bytes) -> Damage:
    return lambda folder: (folder / name).write_bytes(content)


def configure(**keys: Any) -> Damage:
    def change(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | keys))

    return change


def weights(change: Callable[[bytes], bytes]) -> Damage:
    def rewrite(folder: Path) -> None:
        path = folder / "model.safetensors"
        path.write_bytes(change(path.read_bytes()))

    return rewrite


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (remove("model.safetensors"), r"no model\.safetensors in this model"),
        (lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"), "loads safetensors only"),
        (put("config.json", b"{"), r"config\.json is missing or damaged"),
        (put("config.json", b"\xff"), r"config\.json is missing or damaged"),
        (put("config.json", b"null"), r"config\.json is missing or damaged"),
        (put("config.json", b"[]"), r"config\.json is missing or damaged"),
        (remove("config.json"), r"config\.json is missing or damaged"),
        (configure(id2label={"1": "a", "2": "b"}), "are not numbered from 0"),
        (configure(hidden_act="unheard-of"), "cannot be loaded"),
        (weights(lambda content: content[: len(content) // 2]), "cannot be loaded: .*not fully covered"),
        (weights(lambda content: b"x" * 500), "cannot be loaded: .*header"),
        (weights(lambda content: b""), "cannot be loaded: .*header"),
        (put("tokenizer.json", b"{"), "cannot be loaded"),
        (remove("tokenizer.json", "tokenizer_config.json"), "tokenizer"),
        (remove("tokenizer.json"), "tokenizer"),
    ],
)
def test_a_model_that_cannot_be_trusted_is_refused(run: Run, tmp_path: Path, damage: Damage, said: str) -> None:
    folder = Path(shutil.copytree(run.model, tmp_path / "model"))
    damage(folder)
    with pytest.raises(ModelError, match=said):
        predictor.load(folder)


def test_a_pickle_beside_the_weights_is_never_opened(run: Run, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(run.model, tmp_path / "model"))
    (folder / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch opened'\ntR.")
    assert np.isfinite(predictor.load(folder).predict(["a film"]).logits).all()
    assert not Path("opened").exists()


def test_readers_side_by_side_do_not_cut_each_others_texts(model: Predictor) -> None:
    long = ["a lovely film " * 100] * 8
    (n_tokens,) = set(model.predict(long[:1]).n_tokens)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: model.predict(long), range(60)))
    assert {int(n) for output in found for n in output.n_tokens} == {int(n_tokens)}
