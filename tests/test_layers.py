"""Layers of our own compute what transformers' do, and so do their gradients."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from core.cls_head import ClsConfig, ClsForSequenceClassification
from core.errors import RecipeError
from tests.test_dropout import CONFIGS, batch, gradients, model
from train.engines import dropout, layers
from train.engines.average import Average


def both(kind: str, share: float = 0.0) -> tuple[nn.Module, nn.Module]:
    """A model as transformers has it, and the same one with our layers."""
    plain = model(kind, share)
    ours = deepcopy(plain)
    dropout.install(ours)
    layers.install(ours)
    return plain, ours


@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("kind", CONFIGS)
def test_logits_and_gradients_are_those_of_transformers(kind: str, padded: bool) -> None:
    given, (plain, ours) = batch(padded=padded), both(kind)
    torch.testing.assert_close(ours(**given).logits, plain(**given).logits, atol=1e-6, rtol=1e-5)
    due, found = gradients(plain, given), gradients(ours, given)
    assert due.keys() == found.keys()
    for name in due:
        torch.testing.assert_close(found[name], due[name], atol=1e-6, rtol=1e-4, msg=name)


def test_of_each_token_but_the_first_the_last_layer_computes_nothing() -> None:
    plain, ours = both("bert")
    due = plain.bert(**batch(padded=True)).last_hidden_state
    found = ours.bert(**batch(padded=True)).last_hidden_state
    torch.testing.assert_close(found, due[:, :1], atol=1e-6, rtol=1e-5)


def test_so_are_those_of_a_head_on_the_first_token() -> None:
    config = ClsConfig(encoder=CONFIGS["bert"](0.0).to_dict(), num_labels=3, dropout=0.0)
    torch.manual_seed(1)
    plain = ClsForSequenceClassification(config).train()
    ours = deepcopy(plain)
    dropout.install(ours)
    layers.install(ours)
    due, found = gradients(plain, batch(padded=True)), gradients(ours, batch(padded=True))
    for name in due:
        torch.testing.assert_close(found[name], due[name], atol=1e-6, rtol=1e-4, msg=name)


@pytest.mark.parametrize("kind", CONFIGS)
def test_with_dropout_gradients_are_those_of_what_was_computed(kind: str) -> None:
    """Along a direction, against differences of the loss itself, in double precision; a seed gives the same masks."""
    _, ours = both(kind, 0.3)
    ours.double()
    given = batch(padded=True)

    def loss() -> torch.Tensor:
        torch.manual_seed(3)
        return nn.functional.cross_entropy(ours(**given).logits, torch.tensor([0, 1, 2]))

    ours.zero_grad()
    loss().backward()
    parameters = list(ours.parameters())
    generator = torch.Generator().manual_seed(4)
    along = [torch.randn(each.shape, generator=generator, dtype=each.dtype) for each in parameters]
    due = sum(float((each.grad * step).sum()) for each, step in zip(parameters, along, strict=True))
    ends = []
    with torch.no_grad():
        for far in (1e-6, -2e-6):
            for each, step in zip(parameters, along, strict=True):
                each.add_(step, alpha=far)
            ends.append(loss().item())
    assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(due, rel=1e-4)
    assert loss().item() == loss().item()


def test_in_bf16_it_is_as_near_as_autocast_comes() -> None:
    given, (plain, ours) = batch(padded=True), both("bert")
    due = gradients(plain, given)
    with torch.autocast("cpu", torch.bfloat16):
        autocast, found = gradients(plain, given), gradients(ours, given)

    def apart(some: dict[str, torch.Tensor]) -> float:
        return float(torch.cat([(some[name] - due[name]).flatten() for name in due]).norm())

    assert 0 < apart(found) < 1.5 * apart(autocast)


def test_frozen_parameters_get_no_gradients_and_are_seen_to_change() -> None:
    plain, ours = both("bert")
    for each in (plain, ours):
        each.bert.embeddings.requires_grad_(False)
        each.bert.encoder.layer[0].requires_grad_(False)
    due, found = gradients(plain, batch(padded=True)), gradients(ours, batch(padded=True))
    assert due.keys() == found.keys()
    for name in due:
        torch.testing.assert_close(found[name], due[name], atol=1e-6, rtol=1e-4, msg=name)
    before = ours(**batch(padded=True)).logits
    with torch.no_grad():
        for each in (plain, ours):
            each.bert.encoder.layer[0].attention.self.value.weight.mul_(50)
    now = ours(**batch(padded=True)).logits
    assert not torch.allclose(now, before, atol=1e-4)
    torch.testing.assert_close(now, plain(**batch(padded=True)).logits, atol=1e-6, rtol=1e-5)


def test_steps_of_the_optimiser_and_swapped_weights_are_seen() -> None:
    given, (plain, ours) = batch(padded=True), both("bert")

    @torch.no_grad()
    def require_seen() -> torch.Tensor:
        plain.load_state_dict(ours.state_dict())
        found: torch.Tensor = ours(**given).logits
        torch.testing.assert_close(found, plain(**given).logits, atol=1e-6, rtol=1e-5)
        return found

    optimizer, average = torch.optim.AdamW(ours.parameters(), lr=1e-2, fused=True), Average(ours, 0.5)
    found = [require_seen()]
    for _ in range(2):
        gradients(ours, given)
        optimizer.step()
        average.update()
        found.append(require_seen())
        with average.applied():
            found.append(require_seen())
        assert torch.equal(require_seen(), found[-2])
    ours.load_state_dict(model("bert", 0.0).state_dict())
    assert torch.equal(require_seen(), found[0])
    for place, one in enumerate(found):
        assert not any(torch.allclose(one, other, atol=1e-3) for other in found[place + 1 :])


@pytest.mark.parametrize("kind", CONFIGS)
def test_an_even_start_has_the_last_layer_look_at_all_tokens_alike(kind: str) -> None:
    found, given = model(kind, 0.0), batch(padded=True)
    layers.look_evenly(found)
    found.set_attn_implementation("eager")
    *before, last = found(**given, output_attentions=True).attentions
    even = given["attention_mask"] / given["attention_mask"].sum(dim=1, keepdim=True)
    torch.testing.assert_close(last, even[:, None, None].expand_as(last))
    assert not torch.allclose(before[0], even[:, None, None].expand_as(last), atol=1e-3)
    changed = [name for name, each in found.named_parameters() if not each.any() and each.ndim > 1]
    assert len(changed) == 1
    assert gradients(found, given)[changed[0]].any()  # it is learned from there


def test_an_even_start_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"training\.even_start: .* leave it out"):
        layers.look_evenly(nn.Linear(3, 3))


def test_layers_of_other_kinds_are_left_alone() -> None:
    other = nn.Sequential(nn.Linear(3, 3), nn.TransformerEncoderLayer(4, 2))
    layers.install(other)
    assert not any("forward" in vars(each) for each in other.modules())
