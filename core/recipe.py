"""A recipe: what is trained on what, how, and what of it may be published.

A recipe is a TOML file. Reading is strict: unknown keys, wrong types and values out of range are refused, and all
problems of a file are reported at once. Every section is a frozen model whose fields are the keys that are allowed.
"""

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails, to_json

from core.errors import RecipeError

Name = Annotated[str, Field(min_length=1)]
Folder = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Data(_Section):
    """Where the examples come from, and which columns hold what."""

    file: Name = Field(description="parquet, CSV or JSON lines; relative to the working folder or to the project")
    text: Name = Field("text", description="column of the text")
    text_pair: str = Field("", description="column of the second text, for pairs; empty for none")
    label: Name = Field("label", description="column of the label: its name, or its index in `labels`")
    id: str = Field("id", description="column that names an example; empty to number the rows")
    split: Name = Field("split", description="column that says train, validation or test")
    limit: int = Field(0, ge=0, description="use only so many rows of each split; 0 for all")


class Training(_Section):
    """Hyper-parameters."""

    epochs: Count = Field(3, description="at most so many passes over the training split")
    batch_size: Count = Field(16, description="texts per optimiser step")
    learning_rate: Positive = Field(2e-5, description="peak of the linear schedule")
    weight_decay: Annotated[float, Field(ge=0)] = Field(0.01, description="AdamW's decoupled weight decay")
    warmup: Fraction = Field(0.1, description="share of the steps over which the learning rate rises")
    max_tokens: Annotated[int, Field(ge=8, le=8192)] = Field(256, description="longer texts are cut, and counted")
    patience: Count = Field(2, description="stop after so many epochs without a lower validation loss")
    dropout: Fraction = Field(0.1, description="share of hidden units dropped while training")
    attention_dropout: Fraction = Field(0.1, description="share of attention weights dropped while training")
    max_grad_norm: Positive = Field(1.0, description="gradients are clipped to this norm")


class Publish(_Section):
    """What may leave this machine, and what the card says of it."""

    texts: bool = Field(False, description="whether the data set's licence allows example texts to be published")
    license: Name = Field("other", description="the model's licence, as the Hub names it")
    language: Name = Field("en", description="language code of the texts")
    dataset: Name = Field("unnamed data", description="name of the data set, for people")
    dataset_license: Name = Field("unknown", description="licence of the data set")
    intended_use: str = Field("", description="a paragraph for the card")
    limits: str = Field("", description="a paragraph for the card: where the model should not be trusted")
    examples: tuple[str, ...] = Field((), description="texts to try in the app")


class Recipe(_Section):
    """A whole recipe; `name` is the file's name without `.toml`."""

    name: Folder = Field(description="letters, digits, `.`, `_` and `-`: runs live in a folder of this name")
    title: Name = Field(description="what the model does, in a few words")
    labels: tuple[Name, ...] = Field(description="in the order of the model's outputs; the last of two is 'positive'")
    encoder: Name = Field(description="minilm, a Hub id (user/name@commit) or a local folder")
    engine: Literal["trainer"] = "trainer"
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42
    data: Data
    training: Training = Training()
    publish: Publish = Publish()

    @field_validator("labels")
    @classmethod
    def _labels_are_usable(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        if len(labels) < 2 or len(set(labels)) != len(labels):
            raise ValueError("must be at least two, all different")
        return labels


def load(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe file; `overrides` are `key=value` strings (`training.epochs=5`), values as in TOML.

    Raises RecipeError with every problem found.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecipeError(f"There is no recipe {path}. `python -m train recipes` lists those there are.") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"{path} is not a readable TOML file: {error}") from None
    for override in overrides:
        _apply(values, override)
    values.setdefault("name", path.stem)
    return parse(values, str(path))


def parse(values: Mapping[str, Any], origin: str) -> Recipe:
    """Check `values` against the recipe's fields. Raises RecipeError listing every problem, each with its key."""
    try:
        # TOML knows arrays, the frozen recipe holds tuples: JSON mode is strict and takes one for the other.
        return Recipe.model_validate_json(to_json(values))
    except ValidationError as error:
        problems = [_explain(detail) for detail in error.errors()]
        count = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
        listed = "\n".join(f"  - {problem}" for problem in problems)
        raise RecipeError(f"{origin} has {count}:\n{listed}") from None


def dumps(recipe: Recipe) -> str:
    """The resolved recipe as TOML, every default filled in; `parse(tomllib.loads(...))` gives the recipe back."""
    return tomli_w.dumps(recipe.model_dump(mode="json"), multiline_strings=True)


def differences(one: Recipe, other: Recipe) -> dict[str, tuple[Any, Any]]:
    """Dotted keys whose values differ, with both values."""
    left, right = flat(one), flat(other)
    return {key: (left[key], right[key]) for key in left if left[key] != right[key]}


def flat(recipe: Recipe) -> dict[str, Any]:
    """All keys, dotted, with their values."""
    return _flat(recipe.model_dump())


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def _apply(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals:
        raise RecipeError(f"--set {override}: write it as key=value, for example training.epochs=5.")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text  # a bare word is a string
    *sections, last = key.strip().split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise RecipeError(f"--set {override}: {section} is not a section.")
    values[last] = value


def _explain(detail: ErrorDetails) -> str:
    key = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        return f"{key}: no such key{_suggestion(detail['loc'])}"
    if detail["type"] == "missing":
        return f"{key}: missing; {_description(detail['loc'])}"
    if detail["type"] == "value_error":
        return f"{key}: {detail['ctx']['error']} (it is {detail['input']!r})"
    problem = detail["msg"].replace("Input should be", "must be")
    return f"{key}: {problem} (it is {detail['input']!r})"


def _section(location: tuple[int | str, ...]) -> type[BaseModel]:
    model: type[BaseModel] = Recipe
    for part in location[:-1]:
        field = model.model_fields.get(str(part))
        if field and isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            model = field.annotation
    return model


def _suggestion(location: tuple[int | str, ...]) -> str:
    allowed = sorted(_section(location).model_fields)
    near = difflib.get_close_matches(str(location[-1]), allowed, n=1)
    return f"; did you mean {near[0]}?" if near else f"; allowed are {', '.join(allowed)}"


def _description(location: tuple[int | str, ...]) -> str:
    field = _section(location).model_fields.get(str(location[-1]))
    return (field.description if field else None) or "it must be given"
