"""Our own reading of BERT and DistilBERT says what transformers says."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    DistilBertConfig,
    PreTrainedConfig,
    PreTrainedModel,
    RobertaConfig,
)

from core.backends import ONNX, OpenVino, Torch
from core.cls_head import ClsConfig
from core.encoder import UNREAD, Encoder, Exact, InHalf
from core.errors import ModelError
from core.model_files import WEIGHTS
from core.runs import Run
from core.tokenizer import Batch, Tokenizer
from train.to_onnx import write_onnx

LABELS = {"id2label": {0: "bad", 1: "good", 2: "neither"}, "label2id": {"bad": 0, "good": 1, "neither": 2}}
BERT = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64}
CONFIGS = {
    "bert": lambda n: BertConfig(vocab_size=n, **BERT, **LABELS),
    "distilbert": lambda n: DistilBertConfig(vocab_size=n, dim=32, n_layers=2, n_heads=4, hidden_dim=64, **LABELS),
    "cls": lambda n: ClsConfig(encoder=BertConfig(vocab_size=n, **BERT).to_dict(), **LABELS),
    "roberta": lambda n: RobertaConfig(vocab_size=n, max_position_embeddings=514, **BERT, **LABELS),
}
OWN = ["bert", "distilbert", "cls"]


@pytest.fixture
def folder(run: Run, request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A random model of the architecture that a test asks for, with biases and norms that are not 0 and 1."""
    shutil.copy(run.model / "tokenizer.json", tmp_path)
    shutil.copy(run.model / "tokenizer_config.json", tmp_path)
    config: PreTrainedConfig = CONFIGS[request.param](Tokenizer(tmp_path, 64).largest + 1)
    torch.manual_seed(1)
    model: PreTrainedModel = AutoModelForSequenceClassification.from_config(config)
    with torch.no_grad():
        for each in model.parameters():
            each.add_(torch.randn_like(each) * 0.1)
    model.save_pretrained(tmp_path)
    return tmp_path


def batch(folder: Path) -> tuple[Tokenizer, Batch]:
    """Pairs of texts of several lengths, so that there are types, and tokens that only fill up."""
    tokenizer = Tokenizer(folder, 64)
    texts, others = ["a lovely film", "dull", "film " * 40, ""], ["yes", "a book that never ends", "no", "well"]
    return tokenizer, tokenizer.tokens(texts, others).batch(range(4))


@pytest.mark.parametrize("folder", OWN, indirect=True)
def test_it_says_what_transformers_says(folder: Path) -> None:
    tokenizer, given = batch(folder)
    due = Torch(folder, tokenizer)(given)
    encoder = Encoder(folder, Exact(), tokenizer.largest)
    ids, read, *types = (torch.from_numpy(given[name]) for name in encoder.names)
    found = encoder(ids, ((1.0 - read.float()) * UNREAD)[:, None, None], *types).numpy()
    np.testing.assert_allclose(found, due, atol=2e-6)
    assert np.ptp(due, axis=0).min() > 0.005, "texts that all get the same answer would show nothing"


@pytest.mark.parametrize("folder", OWN, indirect=True)
def test_bfloat16_moves_it_a_little(folder: Path) -> None:
    tokenizer, given = batch(folder)
    due, found = Torch(folder, tokenizer)(given), InHalf(folder, tokenizer.largest, 64)(given)
    assert 0 < np.abs(found - due).max() < 0.03
    alone = {name: values[1:2, : given["attention_mask"][1].sum()] for name, values in given.items()}
    np.testing.assert_allclose(InHalf(folder, tokenizer.largest, 64)(alone)[0], due[1], atol=0.03)


@pytest.mark.parametrize("folder", [*OWN, "roberta"], indirect=True)
def test_it_is_exported_for_any_number_of_texts_of_any_length(folder: Path) -> None:
    (folder / "onnx").mkdir()
    write_onnx(folder)
    tokenizer, given = batch(folder)
    found = OpenVino(folder / ".", tokenizer)
    reference = Torch(folder, tokenizer)
    for rows, tokens in ((4, None), (1, 7), (2, 1)):
        some = {name: np.ascontiguousarray(values[:rows, :tokens]) for name, values in given.items()}
        np.testing.assert_allclose(found(some), reference(some), atol=1e-4)
    assert (folder / ONNX).is_file()


@pytest.mark.parametrize("folder", ["roberta"], indirect=True)
def test_another_architecture_is_not_read_in_this_way(folder: Path) -> None:
    with pytest.raises(ModelError, match="RobertaForSequenceClassification of this kind is not known"):
        InHalf(folder, 10, 64)


@pytest.mark.parametrize("folder", ["bert"], indirect=True)
def test_what_does_not_fit_is_refused(folder: Path) -> None:
    with pytest.raises(ModelError, match="larger than the model's embedding"):
        InHalf(folder, 10**6, 64)
    weights = load_file(folder / WEIGHTS)
    del weights["bert.encoder.layer.1.output.dense.bias"]
    save_file(weights, folder / WEIGHTS)
    with pytest.raises(ModelError, match=r"model\.safetensors lacks bert\.encoder\.layer\.1\.output\.dense\.bias"):
        InHalf(folder, 10, 64)
