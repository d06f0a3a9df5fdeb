"""Both engines: the same bytes again, the same bytes after a crash, and the same steps with less memory."""

import json
import os
import random
import resource
import runpy
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from core import data, metrics, predictor, recipe, runs
from core.encoder import NAMES
from core.errors import DataError, RecipeError, RunError
from core.files import sha256
from core.model_files import WEIGHTS
from core.recipe import Recipe
from core.runs import Run
from tests import processes
from train import cost, pictures, precision
from train.engines import ENGINES
from train.engines.average import Average
from train.engines.batches import LengthGrouped
from train.engines.selection import Selection
from train.engines.start import learned
from train.engines.start import optimizer as optimizer_of
from train.fit import fit, resume

# Everything that must be the same again is in play: dropout's random numbers, an average, pieces of a batch.
SETTINGS = (
    "training.dropout=0.1",
    "training.average=0.9",
    "training.micro_batch=4",
    "training.precision=fp32",
    "training.checkpoint_steps=7",
    "training.patience=8",
    "training.epochs=5",
)


@pytest.fixture(autouse=True, scope="module")
def _training_alone() -> Iterator[None]:
    """Intervals and pictures are not what is tested here, and there are many runs."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(metrics, "RESAMPLES", 5)
        patched.setattr(pictures, "write", lambda run, metrics: None)
        yield


def load(tiny: Path, engine: str, *overrides: str) -> Recipe:
    return recipe.load(tiny, [f"engine={engine}", *SETTINGS, *overrides])


@pytest.fixture(scope="module", params=list(ENGINES))
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def whole(tiny: Path, engine: str) -> Run:
    """A run of the engine that nothing interrupted."""
    return fit(load(tiny, engine))


def weights(run: Run) -> str:
    return sha256(run.model / WEIGHTS)


def history(run: Run) -> list[dict[str, Any]]:
    return run.record.history


def test_a_second_run_gives_the_same_bytes(tiny: Path, engine: str, whole: Run) -> None:
    again = fit(load(tiny, engine))
    assert weights(again) == weights(whole)
    assert history(again) == history(whole)
    assert again.record.metrics["splits"] == whole.record.metrics["splits"]


def test_another_seed_gives_another_model(tiny: Path, engine: str, whole: Run) -> None:
    assert weights(fit(load(tiny, engine, "seed=43", "training.epochs=1"))) != weights(whole)


def train(file: Path, *overrides: str) -> None:
    fit(recipe.load(file, overrides))


def go_on(name: str) -> None:
    resume(runs.find(name))


def kill_at(lines: int, root: Path, work: Callable[..., None], *args: object) -> Run:
    """Train in another process and kill it once the history has so many lines; returns what is left of the run."""
    process = processes.start(root / "said.txt", work, *args, VERDICT_RUNS=str(root))
    while process.is_alive():
        if any(path.read_bytes().count(b"\n") >= lines for path in root.glob("*/*/history.jsonl")):
            process.kill()
            break
        time.sleep(0.002)
    process.join()
    assert process.exitcode == -signal.SIGKILL, (root / "said.txt").read_text()
    (run,) = runs.every()
    return run


def test_a_run_killed_three_times_ends_with_the_same_bytes(
    tiny: Path, engine: str, whole: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VERDICT_RUNS", str(tmp_path))
    moments = sorted(random.Random(engine).sample(range(1, len(history(whole)) - 1), 3))
    run = kill_at(moments[0], tmp_path, train, tiny, f"engine={engine}", *SETTINGS)
    for moment in moments[1:]:
        assert not run.complete
        kill_at(moment, tmp_path, go_on, run.name)
    resumed = resume(runs.find(run.name))
    assert resumed.complete
    assert weights(resumed) == weights(whole)
    assert history(resumed) == history(whole)
    assert resumed.record.metrics["splits"] == whole.record.metrics["splits"]
    assert not (resumed.path / "checkpoints").exists()


def test_a_run_killed_before_its_first_checkpoint_starts_again(
    tiny: Path, engine: str, whole: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = begin(tiny, engine, monkeypatch)
    assert weights(resume(begun)) == weights(whole)


def begin(tiny: Path, engine: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run that stopped where training would begin."""
    with monkeypatch.context() as patched:
        patched.setitem(ENGINES, engine, interrupted)
        with pytest.raises(KeyboardInterrupt):
            fit(load(tiny, engine))
    return runs.every()[0]


def interrupted(*_: Any) -> dict[str, Any]:
    raise KeyboardInterrupt


def test_an_interruption_names_the_way_to_go_on(
    tiny: Path, engine: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    begun = begin(tiny, engine, monkeypatch)
    assert not begun.complete
    assert f"python -m train fit --resume {begun.name}" in caplog.text


def test_a_complete_run_is_not_resumed(whole: Run) -> None:
    with pytest.raises(RunError, match="there is nothing to resume"):
        resume(whole)


def test_a_run_whose_data_changed_is_not_resumed(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERDICT_RUNS", str(tmp_path))  # what is spoilt here must be nobody else's newest run
    begun = begin(tiny, "loop", monkeypatch)
    found = json.loads((begun.path / "data.json").read_text())
    found["splits"]["train"]["sha256"] = "0" * 64
    (begun.path / "data.json").write_text(json.dumps(found))
    with pytest.raises(DataError, match="changed since it began"):
        resume(runs.find(begun.name))


def test_a_run_is_trained_by_one_process_at_a_time(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERDICT_RUNS", str(tmp_path))
    begun = begin(tiny, "loop", monkeypatch)

    def again(*_: Any) -> dict[str, Any]:
        resume(runs.find(begun.name))
        return {}

    monkeypatch.setitem(ENGINES, "loop", again)
    with pytest.raises(RunError, match="is being trained by another process"):
        resume(begun)


def test_running_out_of_memory_halves_what_is_read_at_a_time(
    tiny: Path, engine: str, whole: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, tried = ENGINES[engine], list[int]()

    def cramped(job: Any, micro_batch: int) -> dict[str, Any]:
        tried.append(micro_batch)
        if micro_batch > 4:
            raise RuntimeError(
                "[enforce fail] . DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"
            )
        return train(job, micro_batch)

    monkeypatch.setitem(ENGINES, engine, cramped)
    run = fit(load(tiny, engine, "training.micro_batch=0"))
    assert tried == [8, 4]
    assert run.record.environment["cost"]["micro_batch"] == 4
    assert weights(run) == weights(whole)  # which read 4 at a time from the start: the same steps


@pytest.mark.parametrize("words", ["No space left on device (os error 28)", "PytorchStreamWriter failed writing file"])
def test_a_full_disk_is_said(tiny: Path, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> dict[str, Any]:
        raise RuntimeError(words)

    monkeypatch.setitem(ENGINES, "loop", full)
    with pytest.raises(RunError, match=r"The disk is full.*Make room, then: python -m train fit --resume tiny/"):
        fit(load(tiny, "loop"))


def as_a_program(*words: str) -> None:
    """What `python -m train` does, interrupted as a terminal interrupts it: what starts tests may ignore that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["train", *words]
    runpy.run_module("train", run_name="__main__")


def test_ctrl_c_in_training_names_the_way_to_go_on(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERDICT_RUNS", str(tmp_path))
    words = ["fit", str(tiny), "--set", "training.epochs=500", "--set", "training.patience=500"]
    process = processes.start(tmp_path / "said.txt", as_a_program, *words)
    while process.is_alive() and not list(tmp_path.glob("*/*/history.jsonl")):
        time.sleep(0.01)
    assert process.pid
    os.kill(process.pid, signal.SIGINT)
    process.join(60)
    said = (tmp_path / "said.txt").read_text()
    (run,) = runs.every()
    assert process.exitcode
    assert f"python -m train fit --resume {run.name}" in " ".join(said.split())
    assert "Traceback" not in said
    assert not run.complete


def train_where_files_stay_small(file: Path, *overrides: str) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
    train(file, *overrides)


def test_a_disk_that_is_really_full_loses_nothing(
    tiny: Path, engine: str, whole: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VERDICT_RUNS", str(tmp_path))
    process = processes.start(tmp_path / "said.txt", train_where_files_stay_small, tiny, f"engine={engine}", *SETTINGS)
    process.join()
    (run,) = runs.every()
    assert process.exitcode == 1
    assert f"Make room, then: python -m train fit --resume {run.name}" in (tmp_path / "said.txt").read_text()
    assert not run.complete
    assert weights(resume(run)) == weights(whole)


def test_pieces_of_a_batch_make_the_same_step_as_the_whole(tiny: Path, engine: str) -> None:
    """But for the rounding of sums in another order; without dropout, whose numbers differ."""
    losses = []
    for pieces in (8, 2):
        plain = (
            f"training.micro_batch={pieces}",
            "training.dropout=0.0",
            "training.attention_dropout=0.0",
            "training.epochs=1",
            "training.average=0",
        )
        losses.append(
            [entry["validation_loss"] for entry in history(fit(load(tiny, engine, *plain))) if entry["kind"] == "epoch"]
        )
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


def test_the_engines_read_the_texts_in_the_same_order(tiny: Path) -> None:
    """Their heads differ, so scores do too; rates and steps do not."""
    logged = [history(fit(load(tiny, name, "training.epochs=1"))) for name in ENGINES]
    steps = [[(each["step"], each["epoch"]) for each in entries] for entries in logged]
    assert steps[0] == steps[1]


def test_pairs_are_learned_in_both_orders_where_the_recipe_says_so(tiny: Path, tmp_path: Path, engine: str) -> None:
    lines = (tiny.parent / "reviews.jsonl").read_text().splitlines()
    rows = [json.loads(line) | {"second": f"a book {n}"} for n, line in enumerate(lines)]
    (tmp_path / "reviews.jsonl").write_text("\n".join(map(json.dumps, rows)))
    pairs = [f"data.file={str(tmp_path / 'reviews.jsonl')!r}", "data.text_pair=second", "training.epochs=1"]
    one, both = (load(tiny, engine, *pairs, f"training.both_orders={each}") for each in ("false", "true"))
    splits = data.load_splits(both)
    assert learned(splits, one) is splits
    given, train = splits["train"], learned(splits, both)["train"]
    read = {*zip(given["text"], given["text_pair"], given["label"], strict=True)}
    assert {*zip(train["text"], train["text_pair"], train["label"], strict=True)} == read | {
        (second, first, label) for first, second, label in read
    }
    assert len(train) == 2 * len(given) == 2 * len(read)
    steps = [history(fit(each))[-1]["step"] for each in (one, both)]
    assert steps == [15, 15]


def test_the_loop_engines_model_loads_like_any_other(tiny: Path) -> None:
    run = fit(load(tiny, "loop", "training.epochs=1"))
    config = json.loads((run.model / "config.json").read_text())
    assert config["model_type"] == "verdict_cls"
    assert "auto_map" not in config
    found = predictor.load(run.model)
    assert found.labels == ("negative", "positive")
    assert found.predict(["a lovely film"]).logits.shape == (1, 2)


def test_smoothed_targets_make_a_model_less_sure_and_are_no_part_of_validation(
    tiny: Path, engine: str, whole: Run
) -> None:
    smooth = fit(load(tiny, engine, "training.label_smoothing=0.4"))
    surest = [float(run.record.predictions().probabilities.max()) for run in (whole, smooth)]
    assert surest[1] < min(surest[0], 0.9)
    lowest = min(entry["validation_loss"] for entry in history(smooth) if entry["kind"] == "epoch")
    assert smooth.record.metrics["splits"]["validation"]["loss"]["value"] == pytest.approx(lowest, rel=0.02)


def test_training_on_the_last_tokens_never_sees_what_stands_before(tiny: Path, engine: str, tmp_path: Path) -> None:
    given = [json.loads(line) for line in (tiny.parent / "reviews.jsonl").read_text().splitlines()]
    for each in given:  # [CLS], six words and [SEP] are eight tokens
        each["text"] = " ".join(["a", "plot", *each["text"].split()][-6:])
    before = {"train": "very dull and stale ", "validation": "", "test": ""}
    longer = [each | {"text": before[each["split"]] + each["text"]} for each in given]
    found = []
    for number, rows in enumerate((given, longer)):
        (path := tmp_path / f"{number}.jsonl").write_text("\n".join(map(json.dumps, rows)))
        file = f"data.file={path}"
        found.append(fit(load(tiny, engine, file, "training.last_tokens=8", "training.epochs=1")))
    assert weights(found[0]) == weights(found[1])
    assert weights(found[1]) != weights(fit(load(tiny, engine, file, "training.epochs=1")))
    shares = [run.record.data["audit"]["truncated"] for run in found]
    assert shares[0] == {"train": 0, "validation": 0, "test": 0}
    assert shares[1]["train"] > 0.9
    tokenizer = json.loads((found[1].model / "tokenizer_config.json").read_text())
    assert tokenizer["model_max_length"] == 16
    assert tokenizer.get("truncation_side", "right") == "right"


def test_frozen_parameters_stay_as_they_were(tiny: Path, engine: str) -> None:
    from safetensors.torch import load_file

    run = fit(load(tiny, engine, "training.epochs=1", 'training.frozen=["embeddings."]'))
    before = load_file(tiny.parent / "encoder" / WEIGHTS)
    after = {name.partition(".")[2]: each for name, each in load_file(run.model / WEIGHTS).items()}
    for name, values in before.items():
        if name in after:
            assert torch.equal(values, after[name]) == name.startswith("embeddings."), name


def test_an_even_start_is_what_both_engines_start_from(tiny: Path, engine: str, whole: Run) -> None:
    even = fit(load(tiny, engine, "training.even_start=true", "training.epochs=1", "training.learning_rate=1e-12"))
    config = json.loads((even.model / "config.json").read_text())
    names = NAMES[config.get("encoder", config)["model_type"]]
    stored = load_file(even.model / WEIGHTS)
    last = max((name for name in stored if f"{names.query}.weight" in name), key=lambda name: name.split("."))
    assert stored[last].abs().max() < 1e-9
    assert load_file(whole.model / WEIGHTS)[last].abs().max() > 1e-3


def test_a_name_that_no_parameter_has_is_refused(tiny: Path, engine: str) -> None:
    with pytest.raises(RecipeError, match="no parameter of the encoder starts with nowhere"):
        fit(load(tiny, engine, 'training.frozen=["nowhere"]'))


def test_training_stops_when_validation_gets_no_better(tiny: Path, engine: str) -> None:
    run = fit(load(tiny, engine, "training.patience=1", "training.learning_rate=0.05"))
    epochs = [each["validation_loss"] for each in history(run) if each["kind"] == "epoch"]
    assert len(epochs) < 8
    assert epochs[-1] >= min(epochs[:-1])


@pytest.mark.parametrize("given", [[3.0, 2.0, 2.5, 2.0, 1.0], [1.0], [1.0, 1.0, 1.0]])
def test_selection_keeps_the_lowest_loss(given: list[float]) -> None:
    found = Selection(patience=2)
    kept = [step for step, loss in enumerate(given) if found.offer(loss, step)]
    assert kept[-1] == given.index(min(given)) == found.best_step
    assert found.best_loss == min(given)
    assert Selection(**found.state()) == found


def test_patience_counts_epochs_since_the_best() -> None:
    found = Selection(patience=2)
    assert [(found.offer(loss, 0), found.exhausted) for loss in (2.0, 3.0, 1.0, 1.5, 1.0)] == [
        (True, False), (False, False), (True, False), (False, False), (False, True),
    ]  # fmt: skip


@pytest.mark.parametrize(("n", "size"), [(1, 4), (4, 4), (5, 4), (1000, 4), (803, 16)])
def test_every_text_is_read_once_and_beside_its_like(n: int, size: int) -> None:
    lengths = [random.Random(n + row).randint(5, 200) for row in range(n)]
    order = LengthGrouped(lengths, size, seed=1)
    rows = list(order)
    assert sorted(rows) == list(range(n))
    assert rows == list(order)
    batches = [rows[start : start + size] for start in range(0, n, size)]
    assert max(lengths) in [lengths[row] for row in batches[0]] or n % size
    padded = sum(max(lengths[row] for row in batch) * len(batch) for batch in batches)
    assert padded <= 1.15 * sum(lengths) or n < 100
    order.set_epoch(1)
    assert list(order) != rows or n < 100


def test_of_several_variants_an_epoch_reads_one_of_each_row() -> None:
    order = LengthGrouped([5, 6, 7, 8] * 30, 4, seed=1, variants=2)
    assert (len(order), order.tokens) == (60, 390)
    epochs = []
    for epoch in range(3):
        order.set_epoch(epoch)
        epochs.append(list(order))
        assert sorted(row % 60 for row in epochs[-1]) == list(range(60))
        assert 10 < sum(row >= 60 for row in epochs[-1]) < 50
    assert sorted(epochs[0]) != sorted(epochs[1]) != sorted(epochs[2])


@pytest.mark.parametrize("norm", [0.1, 1e4])
def test_gradients_are_clipped_to_the_norm_of_the_recipe(tiny: Path, norm: float) -> None:
    given = recipe.load(tiny, [f"training.max_grad_norm={norm}", "training.weight_decay=0"])
    torch.manual_seed(1)
    ours, plain = nn.Linear(50, 30), nn.Linear(50, 30)
    plain.load_state_dict(ours.state_dict())
    settings = given.training
    reference = torch.optim.AdamW(
        plain.parameters(), lr=settings.learning_rate, eps=settings.adam_epsilon, weight_decay=0.0
    )
    optimizer, x = optimizer_of(ours, given), torch.randn(20, 50)
    for scale in (1.0, 9.0):  # Adam alone hardly sees a scale that stays
        for each in (ours, plain):
            each.zero_grad()
            (each(x * scale) ** 2).sum().backward()
        nn.utils.clip_grad_norm_(plain.parameters(), norm)
        reference.step()
        optimizer.step()
    for found, due in zip(ours.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(found, due)
        torch.testing.assert_close(found.grad, due.grad)


def test_the_average_follows_its_formula_and_gives_the_weights_back() -> None:
    layer = nn.Linear(1, 1, bias=False)
    layer.weight.data.fill_(1.0)
    average = Average(layer, keep=0.9)
    layer.weight.data.fill_(2.0)
    average.update()
    with average.applied():
        assert layer.weight.item() == pytest.approx(0.9 * 1 + 0.1 * 2)
    assert layer.weight.item() == 2.0
    assert Average(layer, keep=0.0).state() == []


@pytest.mark.parametrize(("fp32", "bf16", "chosen"), [(1.0, 0.5, "bf16"), (1.0, 0.9, "fp32"), (1.0, 3.0, "fp32")])
def test_bf16_is_chosen_where_it_is_measured_to_be_faster(
    fp32: float, bf16: float, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(precision, "_supported", lambda: True)
    monkeypatch.setattr(precision, "_seconds", {torch.float32: fp32, torch.bfloat16: bf16}.__getitem__)
    assert precision.choose("auto") == chosen
    monkeypatch.setattr(precision, "_supported", lambda: False)
    assert precision.choose("auto") == "fp32"
    assert [precision.choose(name) for name in ("fp32", "bf16")] == ["fp32", "bf16"]


def test_the_measurement_takes_a_moment() -> None:
    assert 0 < precision._seconds(torch.float32) < 5


def test_bf16_trains(tiny: Path, engine: str) -> None:
    run = fit(load(tiny, engine, "training.precision=bf16", "training.epochs=1"))
    assert run.record.recipe.training.precision == "bf16"


def test_each_phase_has_a_peak_of_its_own() -> None:
    phases: dict[str, Any] = {}
    with cost.measured(phases, "large"):
        held: Callable[[], int] = bytearray(200_000_000).__len__
    size = held()
    del held
    with cost.measured(phases, "small"):
        pass
    assert phases["large"]["peak_memory_bytes"] - phases["small"]["peak_memory_bytes"] > size / 2
    assert phases["large"]["seconds"] >= 0
