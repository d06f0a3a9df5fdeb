"""What a listing may hold before anything of it is downloaded."""

import pytest
from huggingface_hub.hf_api import RepoSibling

from core import limits
from core.errors import ModelError
from core.hub import EVALUATION_FILES, MODEL_FILES

GB = 10**9
HONEST: dict[str, int | None] = {"model.safetensors": 400_000_000, "config.json": 700, "evaluation/metrics.json": 9_000}


def require(sizes: dict[str, int | None]) -> None:
    listed = {name: RepoSibling(name, size=size) for name, size in sizes.items()}
    limits.require_acceptable("demo/x@1", listed, MODEL_FILES + EVALUATION_FILES)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"pytorch_model.bin": 9 * GB, "onnx/model.onnx_data": 9 * GB, "flax_model.msgpack": None},
        {"évaluation/ü ü.txt": 1, "a-b_c.d+e,f.json": 1, ".gitattributes": 1},
        {f"pictures/{n}.gif": 1 for n in range(limits.MAX_FILES - len(HONEST))},
        {"second.safetensors": limits.MAX_BYTES - 400_000_000 - 10_000},
        {"tokenizer.json": limits.MAX_PARSED_BYTES},
    ],
    ids=["nothing", "what is not downloaded", "odd names", "many files", "much", "a large file"],
)
def test_an_honest_listing_is_accepted(more: dict[str, int | None]) -> None:
    require(HONEST | more)


@pytest.mark.parametrize(
    "path",
    [
        "../x.json", "a/../../x.json", "/etc/x.json", "a//x.json", "./x.json", "a/", "..", "", "C:/x.json",
        "a\\..\\x.json", "x\n.json", "x\0.json", "nosj.x\u202e.json",
    ],
)  # fmt: skip
def test_a_path_that_is_not_plain_is_refused(path: str) -> None:
    assert limits.strange_paths([*HONEST, path]) == [path]
    with pytest.raises(ModelError, match=r"demo/x@1 is refused: it lists .*, which is no plain path within a repo"):
        require(HONEST | {path: 1})


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        (HONEST | {"model.safetensors": 10 * GB}, r"model\.safetensors has 10\.0 GB, and 5\.0 GB is the most"),
        (HONEST | {"evaluation/texts/test.parquet": GB}, r"test\.parquet has 1\.0 GB, and 0\.2 GB is the most"),
        (HONEST | {"second.safetensors": limits.MAX_BYTES}, r"its files come to 5\.4 GB, and 5\.0 GB is the most"),
        (HONEST | {"config.json": None}, r"does not say how large config\.json is"),
        (HONEST | {f"{n}.gif": 1 for n in range(limits.MAX_FILES)}, r"lists 1,003 files, and more than 1,000 are"),
        ({"config.json": 1, "pytorch_model.bin": 1}, r"weights as \.bin alone"),
        ({"config.json": 1, "a.PKL": 1, "b.onnx": 1, "c.pt": 1}, r"weights as \.pkl, \.pt alone"),
        ({"config.json": 1, "onnx/model.onnx": 1}, "it holds ONNX alone"),
    ],
)  # fmt: skip
def test_what_should_not_be_downloaded_is_refused(sizes: dict[str, int | None], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        require(sizes)
