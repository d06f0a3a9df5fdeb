"""A model's folder, before and after a library opens it: what is missing, unsafe or does not fit is refused by name.

Before: the files are there, run no code, name no other file, and describe no more than the weights hold. After: the
weights are all there, are numbers, and fit the configuration, and the tokenizer knows no token that the model does not.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from core.errors import ModelError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer.json"
MAX_LABELS = 100_000
"""A configuration that states its number of labels has a name made up for each."""
MOST_TOKENS = 512
"""Read at once by a model whose configuration states no number of positions."""
SPARE = 10**8
"""Weights that config.json may describe beyond those there are (400 MB); `require_sound` names the ones that lack."""
DIVERGED = "its training diverged. Train it again with a lower training.learning_rate, or training.max_grad_norm."

_REFUSED_KEYS = {
    "auto_map": "wants to run code of its own",
    "transformers_weights": "wants its weights read from another file",
    "fast_tokenizer_files": "wants its tokenizer read from another file",
}


def require_files(folder: Path) -> dict[str, Any]:
    """Look for the files that a model needs, before any is loaded; returns its config.json.

    Raises ModelError when one is missing, damaged, would run code or have other files read.
    """
    if not (folder / WEIGHTS).is_file():
        raise ModelError(
            f"There is no {WEIGHTS} in this model. Verdict loads safetensors only: other formats can run code when "
            "they are opened."
        )
    if not (folder / TOKENIZER).is_file():  # transformers would make one up, and the model would read nonsense
        raise ModelError(f"There is no {TOKENIZER} in this model, so its texts cannot be read as it was trained to.")
    config = _read(folder / "config.json")
    for name in ("config.json", "tokenizer_config.json"):
        if (folder / name).is_file():
            _require_own_means(_read(folder / name), name)
    return config


def require_room(folder: Path, config: Mapping[str, Any]) -> None:
    """The model that config.json describes must be known, and no larger than its weights. Raises ModelError.

    It is built without memory for its weights first, since a few bytes of JSON can ask for any amount of it.
    """
    import torch
    from safetensors import safe_open
    from transformers import CONFIG_MAPPING, AutoConfig, AutoModelForSequenceClassification

    from core import cls_head  # noqa: F401  makes its architecture known

    kind = config.get("model_type")
    if kind not in CONFIG_MAPPING:
        raise ModelError(
            f"This model is of the type {kind!r}, which transformers does not know by itself: it would need code of "
            "its own, which Verdict refuses to run."
        )
    with safe_open(folder / WEIGHTS, "pt") as file:
        shapes = [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118  it is no dictionary
    _require_counts(config, len(shapes))
    with torch.device("meta"):
        model = AutoModelForSequenceClassification.from_config(  # type: ignore[no-untyped-call]
            AutoConfig.from_pretrained(folder, local_files_only=True), trust_remote_code=False
        )
    described, held = sum(each.numel() for each in model.parameters()), sum(torch.Size(each).numel() for each in shapes)
    if described > held + SPARE:
        raise ModelError(f"config.json describes a model of {described:,} weights, but {WEIGHTS} holds {held:,}.")


def require_sound(model: "PreTrainedModel", report: Mapping[str, Any], largest: int) -> None:
    """The model as it was loaded, with transformers' report on that, and its tokenizer's `largest` id.

    Raises ModelError for what does not fit.
    """
    if mismatched := sorted(report["mismatched_keys"]):
        raise ModelError(_mismatch(len(model.config.id2label or ()), *mismatched[0]))
    if missing := sorted(report["missing_keys"]):
        raise ModelError(f"{WEIGHTS} lacks {len(missing)} of the model's weights ({missing[0]}, …).")
    if unexpected := sorted(report["unexpected_keys"]):
        raise ModelError(
            f"{WEIGHTS} holds {len(unexpected)} weights that the model has no place for ({unexpected[0]}, …)."
        )
    if broken := [name for name, values in model.state_dict().items() if not _is_finite(values)]:
        raise ModelError(
            f"{WEIGHTS} holds NaN or infinite values, in {len(broken)} weights ({broken[0]}, …): {DIVERGED}"
        )
    require_embedded(largest, len(cast("torch.Tensor", model.get_input_embeddings().weight)))


def require_embedded(largest: int, places: int) -> None:
    """The tokenizer's `largest` id must be one of the model's `places`. Raises ModelError."""
    if largest >= places:
        raise ModelError(
            f"{TOKENIZER} is larger than the model's embedding: it numbers tokens up to {largest:,}, and the model has "
            f"{places:,} of them, numbered from 0."
        )


def labels(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The labels that a config.json names, in the order of the outputs. Raises ModelError."""
    names = config.get("id2label")
    if names is None:  # as transformers names them
        _require_counts(config, n_weights=MAX_LABELS)
        names = {index: f"LABEL_{index}" for index in range(config.get("num_labels", 2))}
    try:
        numbered = {int(index): name for index, name in names.items()}
    except (AttributeError, ValueError):
        numbered = {}
    if sorted(numbered) != list(range(len(names))):
        raise ModelError("The model's labels (id2label in config.json) are not numbered from 0 without a gap.")
    if not all(isinstance(name, str) for name in numbered.values()) or len(set(numbered.values())) < len(numbered):
        raise ModelError("The model's labels (id2label in config.json) must be texts, all different.")
    return tuple(numbered[index] for index in range(len(numbered)))


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"The model's {path.name} is missing or damaged: {error}") from None
    if not isinstance(found, dict):
        raise ModelError(f"The model's {path.name} is missing or damaged: it holds no JSON object.")
    return found


def _require_own_means(config: dict[str, Any], file: str) -> None:
    for key, value in _entries(config):
        if wish := _REFUSED_KEYS.get(key):
            raise ModelError(f"This model {wish} ({key} in {file}); Verdict refuses that.")
        # A name with a slash is a repo, whose compiled code transformers would download and run.
        if key.endswith("_implementation") and "/" in str(value):
            raise ModelError(f"This model wants to run code from {value} ({key} in {file}); Verdict refuses that.")


def _require_counts(config: Mapping[str, Any], n_weights: int) -> None:
    """Numbers that make a library work for long before it needs any memory."""
    for key, value in _entries(config):
        limit = n_weights if "layer" in key else MAX_LABELS if key == "num_labels" else None
        if limit is not None and isinstance(value, int) and value > limit:
            raise ModelError(
                f"config.json asks for {value:,} as {key}, but {limit:,} is the most that {WEIGHTS} has room for."
            )


def _entries(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every key of nested JSON, at any depth, with its value."""
    waiting: list[Any] = [config]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            yield from value.items()
        waiting += value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()


def _mismatch(labels: int, name: str, found: tuple[int, ...], described: tuple[int, ...]) -> str:
    if described[0] == labels != found[0] and described[1:] == found[1:]:
        return f"config.json names {labels} labels, but the model's head ({name} in {WEIGHTS}) has {found[0]} outputs."
    shapes = [" × ".join(map(str, shape)) for shape in (found, described)]
    return f"{name} is {shapes[0]} in {WEIGHTS}, but {shapes[1]} by config.json."


def _is_finite(values: Any) -> bool:
    if not values.is_floating_point() or not values.numel():
        return True
    low, high = values.aminmax()  # NaN becomes both; several times faster than to ask of each value
    return bool(low.isfinite() and high.isfinite())
