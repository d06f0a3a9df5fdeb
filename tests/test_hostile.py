"""Repos of people who mean harm, as a reader meets them: on the Classify page, and by `verify`."""

import io
import json
import os
import pickle
import re
import shutil
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
import tomli_w
from markdown_it import MarkdownIt
from PIL import Image
from safetensors.numpy import load as read_weights
from safetensors.numpy import save as to_weights
from streamlit.testing.v1 import AppTest

from core import fastest, hub, ui
from core.backends import EXPORTED
from core.errors import ModelError
from core.files import PROJECT
from core.verify import verify
from tests import forged
from tests.forged import Changes, Files
from train.localhub.objects import File, large_file, small_file

MARKER = Path(tempfile.gettempdir()) / f"verdict-hostile-{os.getpid()}"
"""What the hostile code here would leave behind."""


@pytest.fixture(autouse=True)
def nothing_runs(no_runs: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Streamlit's caches would leak from test to test; and no code of a repo runs, whatever the test is about."""
    # Every AppTest looks through all installed packages for components, which takes longer than the page.
    monkeypatch.setattr("streamlit.components.v2.manifest_scanner.scan_component_manifests", list)
    yield
    st.cache_data.clear()
    st.cache_resource.clear()
    ran = MARKER.exists()
    MARKER.unlink(missing_ok=True)
    assert not ran


def page(name: str, model: str, **state: str) -> AppTest:
    """The page after its first run."""
    app = AppTest.from_file(str(PROJECT / "pages" / f"{name}.py"), default_timeout=60)
    app.query_params["model"] = model
    for key, value in state.items():
        app.session_state[key] = value
    return app.run()


def said(app: AppTest) -> str:
    """What the page says in its box for errors, as a reader sees it."""
    assert not app.exception
    return "\n".join(plain(MarkdownIt().render(box.value)) for box in app.error)


def plain(html: str) -> str:
    return unescape(re.sub(r"<[^>]+>", "", html)).strip()


class Payload:
    """Leaves the marker when it is unpickled."""

    def __reduce__(self) -> Any:
        return Path.touch, (MARKER,)


PICKLE = pickle.dumps(Payload())
CODE = f"from pathlib import Path\nPath({str(MARKER)!r}).touch()\n".encode()
ONNX_AWAY = b"\x08\x08:>B<\x10\x01j(\n\x08location\x12\x1c../../../../../../etc/passwd\x70\x01"
"""The beginning of an ONNX file whose one weight is kept outside the repo."""


def config(files: Files, **keys: Any) -> Changes:
    return {"config.json": json.dumps(json.loads(files["config.json"]) | keys).encode()}


def without(files: Files, *names: str) -> dict[str, Any]:
    return {key: value for key, value in json.loads(files["config.json"]).items() if key not in names}


def tokenizer(files: Files, change: Callable[[dict[str, Any]], object]) -> Changes:
    found = json.loads(files["tokenizer.json"])
    change(found)
    return {"tokenizer.json": json.dumps(found).encode()}


def weights(files: Files, change: Callable[[dict[str, Any]], object]) -> Changes:
    tensors = {name: tensor.copy() for name, tensor in read_weights(files["model.safetensors"]).items()}
    change(tensors)
    return {"model.safetensors": to_weights(tensors, metadata={"format": "pt"})}


def one(value: float) -> Callable[[dict[str, Any]], object]:
    return lambda tensors: tensors["classifier.weight"].__setitem__((0, 0), value)


THREE = {"0": "a", "1": "b", "2": "c"}

# Their manifests fit: whoever publishes can write one.
HOSTILE: dict[str, tuple[Callable[[Files], Changes], str]] = {
    "pickles alone": (
        lambda files: {"model.safetensors": None, "pytorch_model.bin": PICKLE},
        r"is refused: it has its weights as \.bin alone",
    ),
    "ONNX alone, with its weights elsewhere": (
        lambda files: {"model.safetensors": None, "onnx/model.onnx": ONNX_AWAY},
        "is refused: it holds ONNX alone",
    ),
    "a model that brings code": (
        lambda files: {"evil.json": CODE, **config(files, auto_map={"AutoConfig": "evil.Config"})},
        r"wants to run code of its own \(auto_map in config\.json\)",
    ),
    "a tokenizer that brings code": (
        lambda files: {
            "tokenizer_config.json": json.dumps(
                json.loads(files["tokenizer_config.json"]) | {"auto_map": {"AutoTokenizer": ["evil.T", None]}}
            ).encode()
        },
        r"wants to run code of its own \(auto_map in tokenizer_config\.json\)",
    ),
    "attention by a repo's code": (
        lambda files: config(files, attn_implementation="evil/kernel"),
        "wants to run code from evil/kernel",
    ),
    "weights from another file": (
        lambda files: config(files, transformers_weights="other.safetensors"),
        "wants its weights read from another file",
    ),
    "a tokenizer from outside": (
        lambda files: {"tokenizer_config.json": b'{"fast_tokenizer_files": ["../../tokenizer.4.0.0.json"]}'},
        "wants its tokenizer read from another file",
    ),
    "an unknown type of model": (
        lambda files: config(files, model_type="unheard-of"),
        "is of the type 'unheard-of', which transformers does not know by itself",
    ),
    "JSON without end": (
        lambda files: {"config.json": b'{"a": ' + b"[" * 100_000},
        r"config\.json is missing or damaged: maximum recursion depth",
    ),
    "NaN weights": (lambda files: weights(files, one(np.nan)), r"NaN or infinite values, in 1 weights \(classifier"),
    "infinite weights": (lambda files: weights(files, one(-np.inf)), "NaN or infinite values, in 1 weights"),
    "missing weights": (
        lambda files: weights(files, lambda tensors: tensors.pop("classifier.bias")),
        r"lacks 1 of the model's weights \(classifier\.bias",
    ),
    "unexpected weights": (
        lambda files: weights(files, lambda tensors: tensors.update(extra=np.ones(3, np.float32))),
        r"holds 1 weights that the model has no place for \(extra",
    ),
    "another number of labels": (
        lambda files: config(files, id2label=THREE, label2id={}),
        r"names 3 labels, but the model's head \(classifier\.bias in model\.safetensors\) has 2 outputs",
    ),
    "labels that are no texts": (
        lambda files: config(files, id2label={"0": ["a"], "1": {"b": 1}}, label2id={}),
        "must be texts, all different",
    ),
    "two labels of one name": (
        lambda files: config(files, id2label={"0": "a", "1": "a"}, label2id={}),
        "must be texts, all different",
    ),
    "weights of another shape": (
        lambda files: config(files, intermediate_size=65),
        r"bert\.encoder\.layer\.0\.intermediate\.dense\.bias is 64 in model\.safetensors, but 65 by config\.json",
    ),
    "a tokenizer larger than the embedding": (
        lambda files: tokenizer(files, lambda found: found["model"]["vocab"].update(zebra=52)),
        "larger than the model's embedding: it numbers tokens up to 52, and the model has 52",
    ),
    "a model that fails as it reads": (
        lambda files: config(files, chunk_size_feed_forward=1000),
        "cannot be loaded: The dimension to be chunked",
    ),
    "a model without end": (
        lambda files: config(files, vocab_size=10**8),
        r"describes a model of 3,\d{3},\d{3},\d{3} weights, but model\.safetensors holds",
    ),
    "layers without end": (
        lambda files: config(files, num_hidden_layers=10**9),
        "asks for 1,000,000,000 as num_hidden_layers",
    ),
    "labels without end": (
        lambda files: {"config.json": json.dumps(without(files, "id2label") | {"num_labels": 10**9}).encode()},
        "asks for 1,000,000,000 as num_labels, but 100,000",
    ),
}  # fmt: skip


@pytest.mark.parametrize("run", [lambda: pickle.loads(PICKLE), lambda: exec(CODE)], ids=["pickle", "code"])
def test_code_that_ran_would_be_noticed(run: Callable[[], object]) -> None:
    run()
    assert MARKER.exists()
    MARKER.unlink()


def require_refused(name: str, pattern: str) -> None:
    """Neither the page nor the verification makes anything of it but the reason."""
    app = page("Classify", name, text="a lovely film")
    assert re.search(pattern, said(app)), said(app)
    assert not app.header
    found = verify(name)["verdict"]
    assert found["kind"] == "unverifiable"
    assert re.search(pattern, found["sentence"]), found["sentence"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_repo_is_refused_with_the_reason(published: str, name: str) -> None:
    change, pattern = HOSTILE[name]
    require_refused(forged.publish(published, change(forged.files_of(published))), pattern)


LISTED: dict[str, tuple[dict[str, File], str]] = {
    "a path that leads out": ({"../../evil.json": small_file(b"{}")}, r"it lists '\.\./\.\./evil\.json', which is no"),
    "an absolute path": ({"/tmp/evil.json": small_file(b"{}")}, "it lists '/tmp/evil.json', which is no plain path"),
    "a path of another system": ({"..\\evil.json": small_file(b"{}")}, r"it lists '\.\.\\\\evil\.json', which is no"),
    "10 GB of weights": ({"model.safetensors": large_file("0" * 64, 10**10)}, r"model\.safetensors has 10\.0 GB, and"),
    "1 GB of JSON": ({"config.json": large_file("0" * 64, 10**9)}, r"config\.json has 1\.0 GB, and 0\.2 GB is"),
    "files without end": ({f"{n}.json": small_file(b"") for n in range(1_000)}, "files, and more than 1,000 are too"),
}  # fmt: skip


@pytest.mark.parametrize("name", LISTED)
def test_a_hostile_listing_is_refused_before_anything_is_downloaded(
    published: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*what: object, **how: object) -> None:
        raise AssertionError("something was downloaded")

    entries, pattern = LISTED[name]
    listed = forged.relist(published, entries)
    monkeypatch.setattr("core.hub.snapshot_download", refuse)
    require_refused(listed, pattern)


def test_a_manifest_that_names_a_path_outside_is_refused(published: str) -> None:
    files = forged.files_of(published)
    listed = forged.tamper(published, {hub.MANIFEST: forged.manifest({**files, "../../evil.json": b""})})
    require_refused(listed, r"manifest\.json of .* names '\.\./\.\./evil\.json', which is no plain path")


def test_every_reason_has_words_of_its_own() -> None:
    patterns = [pattern for _, pattern in [*HOSTILE.values(), *LISTED.values()]]
    shared = {"must be texts, all different"}  # one reason of two cases
    assert len(set(patterns) | shared) == len(patterns) - 1


BESIDE: dict[str, Changes] = {
    "a pickle": {"pytorch_model.bin": PICKLE, "evaluation/evil.pkl": PICKLE},
    "code": {"evil.py": CODE, "evaluation/evil.py": CODE},
    "ONNX's weights": {"onnx/model.onnx_data": b"\0" * 1000},
}


@pytest.mark.parametrize("name", BESIDE)
def test_what_lies_beside_the_weights_is_never_downloaded(published: str, name: str) -> None:
    """The manifest may name it: then the model answers, from its safetensors alone."""
    repo, commit = forged.publish(published, BESIDE[name]).split("@")
    app = page("Classify", f"{repo}@{commit}", text="a lovely film")
    assert (said(app), len(app.header)) == ("", 1)
    assert not any((hub.fetch(repo, commit).folder / path).exists() for path in BESIDE[name])


@pytest.mark.parametrize("file", ["onnx/model.onnx", "onnx/model_quantized.onnx"])
def test_onnx_that_names_another_file_is_not_opened(published: str, file: str) -> None:
    """The model answers as the reference does, also once backends were tried (by the app in a process of its own)."""
    golden = {"texts": ["a"], "pairs": None, "logits": [[0.0, 1.0]]}
    named = {file: ONNX_AWAY, "onnx/golden.json": json.dumps(golden).encode(), "onnx/export.json": b"{}"}
    name = forged.publish(published, named)
    app = page("Classify", name, text="a lovely film")
    assert (said(app), len(app.header)) == ("", 1)
    assert "by PyTorch" in " ".join(each.value for each in app.caption)
    folder = hub.fetch(*name.split("@"), "model").folder
    choices = fastest.choose(folder)
    assert {each.backend for each in choices.values()} <= {"torch", "torch-bf16"}
    for backend in (each for each, of in EXPORTED.items() if of == file):
        with pytest.raises(ModelError, match=f"{file.split('/')[1]} keeps its weights in another file"):
            fastest.load(folder, backend)


def test_onnx_that_unfolds_to_a_disk_full_is_never_downloaded(published: str) -> None:
    bomb = {"onnx/model.onnx": large_file("1" * 64, 500), "onnx/model.onnx_data": large_file("0" * 64, 10**13)}
    assert "is on the Hub but not in the manifest" in said(page("Classify", forged.relist(published, bomb), text="a"))


def link(target: Path) -> Callable[[Path], object]:
    return lambda path: (path.unlink(), path.symlink_to(target))


def link_folder(path: Path) -> None:
    folder = path.parent
    shutil.copytree(folder, folder.parents[2] / "elsewhere", symlinks=False)
    shutil.rmtree(folder)
    folder.symlink_to(folder.parents[2] / "elsewhere")


def link_copy(path: Path) -> None:
    """To a file outside with the very bytes that should be here: they can be others a moment later."""
    copy = path.parents[3] / "copy"
    copy.write_bytes(path.read_bytes())
    link(copy)(path)


LINKS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "to a file of this machine": ("tokenizer_config.json", link(Path("/etc/hostname"))),
    "to a copy": ("config.json", link_copy),
    "to nowhere": ("extra.json", lambda path: path.symlink_to("/nowhere")),
    "to a folder": ("evaluation/pictures/loss.png", link_folder),
}


@pytest.mark.parametrize("name", LINKS)
def test_a_link_out_of_the_cache_is_not_followed(published: str, name: str) -> None:
    path, change = LINKS[name]
    linked = forged.publish(published, {"README.md": name.encode()})
    folder = hub.fetch(*linked.split("@")).folder
    change(folder / path)
    app = page("Classify", linked, text="a lovely film")
    assert "is a link that leads out of the cache" in said(app)
    assert not app.header


NASTY = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "![x](http://evil/x.png)", "[x](javascript:alert(1))",
    '=HYPERLINK("http://evil","x")', "@SUM(1+1)*cmd|' /C calc'!A0", "a\x1b[31m", "</title><h1>",
]  # fmt: skip


def named(files: Files, name: str) -> Changes:
    """The files with the label `negative` called otherwise, wherever it stands."""
    changes: dict[str, bytes | None] = {
        path: files[path].replace(b'"negative"', json.dumps(name).encode())
        for path in ("config.json", "evaluation/metrics.json", "evaluation/data.json")
    }
    recipe = tomllib.loads(files["evaluation/recipe.toml"].decode())
    recipe["labels"], recipe["publish"]["examples"] = [name, "positive"], [name]
    return {**changes, "evaluation/recipe.toml": tomli_w.dumps(recipe).encode()}


def require_text_only(app: AppTest) -> None:
    """Nothing on the page is HTML, a picture, or a formula in the table that a reader can save."""
    assert not app.exception
    shown = [*app.markdown, *app.caption, *app.header, *app.subheader, *app.error, *app.info, *app.success]
    assert not [element for element in shown if getattr(element.proto, "allow_html", False)]
    pills = [option.content for group in app.get("button_group") for option in group.proto.options]
    for text in [*(str(element.value) for element in shown), *pills]:
        assert not re.search("<(img|script|iframe)", MarkdownIt("commonmark", {"html": False}).render(text))
    for table in app.dataframe:
        cells = [*table.value.columns, *table.value.to_numpy().ravel()]
        assert not [cell for cell in cells if isinstance(cell, str) and re.match(r"[=+@\t\r]|-(?![\d.]+$)", cell)]


@pytest.mark.parametrize("name", NASTY)
def test_a_label_is_shown_as_the_text_it_is(published: str, name: str) -> None:
    model = forged.publish(published, named(forged.files_of(published), name))
    app = page("Classify", model, text="a dull stale clumsy hollow wooden book")
    require_text_only(app)
    assert name in plain(MarkdownIt().render(app.header[0].value))
    for shown in ("Evaluation", "Training_runs"):
        app = page(shown, model)
        require_text_only(app)
        assert not app.error


CARDS = {
    "HTML": b"# T\n<script>alert(1)</script> <img src=x onerror=alert(1)>\n\n<iframe src='http://evil'></iframe>\n",
    "pictures from elsewhere": b"![x](http://evil/x.png) ![ [y] ](http://evil/y.png)\n\n![z][z]\n\n[z]: http://evil/z.png\n",
    "pictures after what looks like code": b"``` `a\n![x](http://evil/x.png)\n![y][y]\n```\n\n[y]: http://evil/y.png\n",
    "a picture of this machine": b"![x](/etc/passwd) ![x](evaluation/pictures/../../../../../x.png)",
}
"""Contents of README.md."""


@pytest.mark.parametrize("name", CARDS)
def test_a_card_is_shown_without_html_and_pictures_from_elsewhere(published: str, name: str) -> None:
    app = page("About", forged.publish(published, {"README.md": CARDS[name]}))
    require_text_only(app)
    assert not app.error
    assert not app.get("image")


def test_a_card_that_is_no_text_is_shown_as_far_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_bytes(b"\xff card")
    assert ui.card(hub.Publication("demo/x", "0" * 40, tmp_path)) == "\ufffd card"


def big(width: int, height: int) -> bytes:
    """A picture of one colour: a few kilobytes that unfold to three times as many bytes as it has pixels."""
    buffer = io.BytesIO()
    Image.new("1", (width, height)).save(buffer, "PNG")
    return buffer.getvalue()


PICTURES = {
    "no picture": b"\x89PNG\r\n\x1a\nnot at all",
    "HTML": b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'></svg>",
    "cut": big(3000, 100)[:60],
    "too large": big(8000, 8000),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_that_is_none_is_left_out(published: str, name: str) -> None:
    whole = page("About", published)
    app = page("About", forged.publish(published, {"evaluation/pictures/loss.png": PICTURES[name]}))
    assert not app.exception
    assert len(app.get("image")) == len(whole.get("image")) - 1 == 4


SHAPES: dict[str, tuple[str, bytes]] = {
    "Evaluation": ("evaluation/metrics.json", b'{"schema": 1, "labels": ["a", "b"], "splits": {"test": [1]}}'),
    "Training_runs": ("evaluation/history.jsonl", b'{"kind": "step"}\n'),
}


@pytest.mark.parametrize("name", SHAPES)
def test_files_of_another_shape_are_said_so(published: str, name: str) -> None:
    path, content = SHAPES[name]
    assert "does not hold what Verdict writes there" in said(page(name, forged.publish(published, {path: content})))
