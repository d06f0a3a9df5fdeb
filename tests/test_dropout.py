"""Dropout and attention on a CPU: what PyTorch computes, with masks of our own."""

import pytest
import torch
from torch import nn
from transformers import AutoModelForSequenceClassification, BertConfig, DistilBertConfig

from train.engines import dropout
from train.engines.dropout import Dropout, kept, scale

SMALL = {"vocab_size": 50, "num_labels": 3}
CONFIGS = {
    "bert": lambda share: BertConfig(
        **SMALL, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
        hidden_dropout_prob=share, attention_probs_dropout_prob=share,
    ),
    "distilbert": lambda share: DistilBertConfig(
        **SMALL, dim=32, n_layers=2, n_heads=4, hidden_dim=64, dropout=share, attention_dropout=share,
        seq_classif_dropout=share,
    ),
}  # fmt: skip


def model(kind: str, share: float) -> nn.Module:
    torch.manual_seed(1)
    return AutoModelForSequenceClassification.from_config(CONFIGS[kind](share)).train()


def batch(*, padded: bool) -> dict[str, torch.Tensor]:
    ids = torch.randint(1, 50, (3, 20), generator=torch.Generator().manual_seed(2))
    mask = torch.ones_like(ids)
    if padded:
        mask[1, 12:] = 0
    return {"input_ids": ids, "attention_mask": mask}


def gradients(found: nn.Module, given: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    found.zero_grad()
    nn.functional.cross_entropy(found(**given).logits, torch.tensor([0, 1, 2])).backward()
    return {name: each.grad.clone() for name, each in found.named_parameters() if each.grad is not None}


@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("kind", CONFIGS)
def test_without_dropout_gradients_are_pytorchs_own(kind: str, padded: bool) -> None:
    given, plain, ours = batch(padded=padded), model(kind, 0.0), model(kind, 0.0)
    dropout.install(ours)
    assert ours.config._attn_implementation == dropout.NAME
    due, found = gradients(plain, given), gradients(ours, given)
    assert due.keys() == found.keys()
    for name in due:
        torch.testing.assert_close(found[name], due[name], atol=1e-6, rtol=1e-4, msg=name)


@pytest.mark.parametrize("kind", CONFIGS)
def test_with_dropout_gradients_are_those_of_what_was_computed(kind: str) -> None:
    """Against differences of the loss itself, in double precision; the same seed gives the same masks."""
    ours = model(kind, 0.3).double()
    dropout.install(ours)
    given = batch(padded=True)

    def loss() -> torch.Tensor:
        torch.manual_seed(3)
        return nn.functional.cross_entropy(ours(**given).logits, torch.tensor([0, 1, 2]))

    ours.zero_grad()
    loss().backward()
    with torch.no_grad():
        for name, each in ours.named_parameters():
            place = int(each.grad.abs().argmax())
            found = each.grad.flatten()[place].item()
            flat = each.view(-1)
            before = flat[place].item()
            flat[place] = before + 1e-6
            more = loss().item()
            flat[place] = before - 1e-6
            less = loss().item()
            flat[place] = before
            assert (more - less) / 2e-6 == pytest.approx(found, rel=1e-3, abs=1e-8), name


def test_the_mean_of_what_is_dropped_stays() -> None:
    torch.manual_seed(4)
    layer = Dropout(0.1).train()
    given = torch.ones(2000, 500)
    found = layer(given)
    assert found.unique().tolist() == pytest.approx([0.0, 256 / 230])
    assert found.mean().item() == pytest.approx(1.0, abs=2e-3)
    assert (found == 0).float().mean().item() == pytest.approx(26 / 256, abs=1e-3)
    assert abs((found[0] == 0).float() @ (found[1] == 0).float() / 500 - (26 / 256) ** 2) < 0.02


def test_the_same_seed_gives_the_same_masks_and_another_others() -> None:
    layer, given = Dropout(0.5).train(), torch.ones(1000)

    def drawn(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return layer(given)

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))
    torch.manual_seed(1)
    assert not torch.equal(layer(given), layer(given))


def test_nothing_is_dropped_outside_training_or_of_no_share() -> None:
    given = torch.randn(10, 10)
    assert Dropout(0.5).eval()(given) is given
    assert Dropout(0.0).train()(given) is given


@pytest.mark.parametrize("share", [0.0, 0.1, 0.25, 0.5])
def test_masks_are_of_bytes(share: float) -> None:
    mask = kept((1001, 77), share, seed=5)
    assert mask.dtype == torch.uint8
    assert mask.shape == (1001, 77)
    assert set(mask.unique().tolist()) <= {0, 1}
    assert mask.float().mean().item() * scale(share) == pytest.approx(1.0, abs=0.01)


def test_in_bf16_it_is_as_near_as_bf16_comes() -> None:
    given, plain, ours = batch(padded=True), model("bert", 0.0), model("bert", 0.0)
    dropout.install(ours)
    with torch.autocast("cpu", torch.bfloat16):
        found = gradients(ours, given)
    due = gradients(plain, given)
    whole = torch.cat([each.flatten() for each in due.values()])
    apart = torch.cat([(found[name] - due[name]).flatten() for name in due])
    assert apart.norm() < 0.05 * whole.norm()
