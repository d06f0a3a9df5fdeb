"""A run as ONNX: what is written, what it says of itself, and what is published of it."""

import gc
import json
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from core import fastest, hub, integrity, parity, predictor, ui
from core.backends import EXPORTED, INT8, ONNX, REFERENCE, useful
from core.errors import InputError, ModelError, RunError
from core.fastest import STATED
from core.files import sha256
from core.model_files import WEIGHTS
from core.parity import GOLDEN, Parity
from core.runs import Run
from tests import processes
from train.export import export, golden_texts, require_current
from train.publish import publish


@pytest.fixture(scope="module")
def exported(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A copy of the tiny run, with ONNX files."""
    path = tmp_path_factory.mktemp("exported") / "tiny" / run.path.name
    found = Run(Path(shutil.copytree(run.path, path)))
    (path / "publications.jsonl").unlink(missing_ok=True)
    export(found)
    return found


@pytest.fixture
def copy(exported: Run, tmp_path: Path) -> Run:
    """One of `exported` that can be changed."""
    return Run(Path(shutil.copytree(exported.path, tmp_path / "tiny" / exported.path.name)))


@pytest.mark.parametrize("backend", useful())
def test_every_backend_says_what_the_reference_says(exported: Run, backend: str) -> None:
    golden = parity.load(exported.model)
    found = fastest.load(exported.model, backend)
    assert found.backend == backend
    against = parity.between(found.predict(golden.texts, golden.pairs).logits, golden.logits)
    assert against.changed == 0
    # So small a model leaves few bits little room.
    assert against.largest < (1e-4 if backend in ("onnx", "openvino") else 0.1)
    texts = ["a lovely film", "dull", "", "film " * 1000]
    np.testing.assert_allclose(
        found.predict(texts).logits, predictor.load(exported.model).predict(texts).logits, atol=0.3
    )


def test_a_process_that_let_backends_go_still_handles_signals(exported: Run, tmp_path: Path) -> None:
    said = tmp_path / "said.txt"
    process = processes.start(said, _signal_after, exported.model)
    process.join(60)
    assert (process.exitcode, said.read_text().splitlines()[-1:]) == (0, ["handled"])


def _signal_after(folder: Path) -> None:
    held = [fastest.load(folder, each) for each in useful()]
    while held:
        held.pop(0)  # in this order they took the handlers' stack with them: see backends._openvino
        gc.collect()
    signal.signal(signal.SIGINT, lambda *_: print("handled"))
    signal.raise_signal(signal.SIGINT)


def test_what_became_of_the_test_split_is_stated(exported: Run) -> None:
    stated = exported.exported
    assert stated["model_sha256"] == sha256(exported.model / WEIGHTS)
    assert stated["sha256"] == {name: sha256(exported.model / name) for name in (ONNX, INT8, GOLDEN)}
    assert set(stated["test"]) == set(useful())
    test = exported.record.predictions("test")
    found = predictor.predict_split  # what is stated is what a backend says of the split, derived anew here
    from core import data

    examples = data.load_splits(exported.record.recipe)["test"]
    again = found(fastest.load(exported.model, "onnx"), examples)
    against = parity.between(again.logits, test.logits)
    assert stated["test"]["onnx"]["largest"] == pytest.approx(against.largest, abs=1e-6)
    assert stated["test"]["onnx"]["accuracy"]["value"] == pytest.approx((again.logits.argmax(1) == test.label).mean())


def test_the_run_itself_stays_as_it_was(exported: Run, run: Run) -> None:
    before = {path.relative_to(run.path): sha256(path) for path in run.path.rglob("*") if path.is_file()}
    after = {path.relative_to(exported.path): sha256(path) for path in exported.path.rglob("*") if path.is_file()}
    new = {path.as_posix() for path in after.keys() - before.keys()}
    assert new == {f"model/{name}" for name in (ONNX, INT8, GOLDEN, STATED)}
    assert {path: after[path] for path in before if path in after} == {
        path: digest for path, digest in before.items() if path in after
    }


def test_the_golden_batch_is_made_of_the_recipes_own_examples_alone(exported: Run) -> None:
    recipe = exported.record.recipe
    texts, pairs = golden_texts(recipe)
    assert (texts, pairs) == (parity.load(exported.model).texts, None)
    assert len({len(text.split()) for text in texts}) > 5
    of_test = set(exported.record.predictions("test").text_sha256)
    import pandas as pd

    from core.data import hashes

    assert not of_test & set(hashes(pd.DataFrame({"text": texts})))


def test_what_was_exported_is_published_and_read(exported: Run, repo: str, tmp_path: Path) -> None:
    commit = publish(exported, repo)
    found = hub.fetch(repo, commit, "model", cache=tmp_path / "cache")
    assert not integrity.check(found, strict=True).bad
    assert {name for name in (ONNX, INT8, GOLDEN, STATED) if (found.folder / name).is_file()} == {
        ONNX, INT8, GOLDEN, STATED,
    }  # fmt: skip
    loaded = fastest.load(found.folder)
    assert loaded.backend != REFERENCE
    assert loaded.parity is not None
    assert loaded.parity.passed


def test_the_fastest_that_passes_is_chosen_once(copy: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(fastest.constants, "HF_HOME", str(tmp_path / "home"))
    seconds = {"onnx": 3.0, "onnx-int8": 1.0, "openvino": 2.0, "openvino-bf16": 0.5, "torch-bf16": 1.5}
    tried, asked = [], []

    def speeds(folder: Path) -> dict[str, fastest.Speed]:
        tried.append(folder)
        asked.clear()
        return {backend: fastest.Speed(each, 3.1 - each) for backend, each in seconds.items()}

    def gate(folder: Path, backend: str) -> Parity:
        asked.append(backend)
        return Parity(4, int(backend == "onnx-int8"), 0.02 if "bf16" in backend else 0.001)

    monkeypatch.setattr(fastest, "speeds", speeds)
    monkeypatch.setattr(fastest, "gate", gate)
    assert [fastest.load(copy.model).backend for _ in range(2)] == ["openvino", "openvino"]  # the faster ones fail
    assert fastest.load(copy.model, many=True).backend == "onnx"
    assert asked == ["openvino-bf16", "onnx-int8", "torch-bf16", "openvino", "onnx"]  # each once
    assert len(tried) == 1
    (copy.model / ONNX).write_bytes((copy.model / ONNX).read_bytes())  # another export
    fastest.load(copy.model)
    assert len(tried) == 2
    monkeypatch.setattr(fastest.machine, "processor", lambda: "another")
    fastest.load(copy.model)
    assert len(tried) == 3


def test_the_app_answers_by_the_reference_until_the_fastest_is_found(
    copy: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(fastest.constants, "HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))  # for the process that tries them
    monkeypatch.setenv("VERDICT_RUNS", str(copy.path.parent.parent))
    monkeypatch.setattr(ui, "TRIAL_AFTER", 0.0)
    first = ui.load_predictor(copy.name)
    assert (first.backend, first.parity) == (REFERENCE, None)
    end = time.monotonic() + 60
    while (found := ui.load_predictor(copy.name)) is first and time.monotonic() < end:
        time.sleep(0.1)
    known = fastest.known(copy.model)
    assert known is not None
    assert (found.backend, found.parity) == (known["alone"].backend, known["alone"].parity)
    assert found.backend != REFERENCE
    np.testing.assert_allclose(found.predict(["dull"]).logits, first.predict(["dull"]).logits, atol=0.3)


def test_a_trial_that_comes_to_nothing_is_told(
    copy: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fastest.constants, "HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    (copy.model / GOLDEN).write_text("{")
    assert fastest.choose_apart(copy.model) is None
    assert "golden.json is missing or damaged" in capfd.readouterr().err


def test_a_damaged_memory_of_the_choice_is_made_anew(
    copy: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(fastest.constants, "HF_HOME", str(tmp_path / "home"))
    first = fastest.load(copy.model)
    (kept,) = (tmp_path / "home").rglob("*.json")
    assert set(json.loads(kept.read_text())["seconds"]) == set(useful())
    for damaged in ("", "{", "[]", '{"choices": {"alone": 1}}', '{"choices": []}'):
        kept.write_text(damaged)
        assert fastest.load(copy.model).parity is not None
    assert first.parity is not None


def test_where_no_backend_passes_the_reference_reads(
    copy: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(fastest.constants, "HF_HOME", str(tmp_path / "home"))
    golden = json.loads((copy.model / GOLDEN).read_text())
    golden["logits"] = [logits[::-1] for logits in golden["logits"]]
    (copy.model / GOLDEN).write_text(json.dumps(golden))
    assert not any(fastest.gate(copy.model, backend).passed for backend in useful())
    found = fastest.load(copy.model)
    assert (found.backend, found.parity) == (REFERENCE, None)


def test_a_model_that_was_not_exported_is_read_by_the_reference(run: Run) -> None:
    found = fastest.load(run.model)
    assert (found.backend, found.parity) == (REFERENCE, None)
    with pytest.raises(InputError, match=r"onnx reads onnx/model\.onnx, which this model lacks"):
        fastest.load(run.model, "onnx")
    with pytest.raises(InputError, match="There is no backend 'fast'"):
        fastest.load(run.model, "fast")


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", '{"texts": ["a"]}', '{"texts": ["a"], "pairs": null, "logits": [[1.0]]}']
)
def test_a_damaged_golden_batch_is_said_so(
    copy: Run, damage: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(fastest.constants, "HF_HOME", str(tmp_path / "home"))
    (copy.model / GOLDEN).write_text(damage)
    if damage.endswith("]]}"):  # of another shape than the model's answers: no backend passes
        assert fastest.load(copy.model).backend == REFERENCE
        return
    with pytest.raises(ModelError, match=r"onnx/golden\.json is missing or damaged"):
        fastest.load(copy.model)


@pytest.mark.parametrize("name", [ONNX, INT8])
@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"<html>"])
def test_a_damaged_file_is_left_out(
    copy: Run, name: str, content: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(fastest.constants, "HF_HOME", str(tmp_path / "home"))
    (copy.model / name).write_bytes(content)
    assert set(fastest.speeds(copy.model)) == {each for each in useful() if EXPORTED.get(each) != name}


def changed_weights(run: Run) -> None:
    with (run.model / WEIGHTS).open("ab") as file:
        file.write(b" ")


def changed_onnx(run: Run) -> None:
    with (run.model / ONNX).open("ab") as file:
        file.write(b" ")


def stray(run: Run) -> None:
    (run.model / "onnx" / "stray.onnx").write_bytes(b"")


@pytest.mark.parametrize("change", [changed_weights, changed_onnx, stray])
def test_what_is_not_the_export_of_these_weights_is_not_published(copy: Run, repo: str, change: object) -> None:
    change(copy)  # type: ignore[operator]
    with pytest.raises(RunError, match="Export it again"):
        publish(copy, repo)


def test_no_changed_or_unfinished_run_is_exported(copy: Run) -> None:
    require_current(copy)
    changed_weights(copy)
    with pytest.raises(RunError, match=r"model\.safetensors has changed since the run was measured"):
        export(copy)
    (copy.path / "metrics.json").unlink()
    with pytest.raises(RunError, match="is not complete"):
        export(copy)
