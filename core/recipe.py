"""A recipe: what is trained on what, how, and what of it may be published.

A recipe is a TOML file. Reading is strict: unknown keys, wrong types and values out of range are refused, and all
problems of a file are reported at once. Every section is a frozen model whose fields are the keys that are allowed.
"""

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

import tomli_w
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails, to_json

from core.errors import RecipeError

Name = Annotated[str, Field(min_length=1)]
Folder = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, lt=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
SOURCES = ("file", "hub", "url")
"""The kinds of source, each a key of the data section."""
TAKEN = ("id", "text", "text_pair", "label", "conflict")
"""Columns of examples that slices cannot be named after."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Data(_Section):
    """Where the examples come from (one of `file`, `hub` and `url`), which columns hold what, and the splits."""

    file: str = Field("", description="parquet, CSV or JSON lines; relative to the working folder or to the project")
    hub: str = Field("", description="a data set on the Hub, pinned: user/name@commit, with parquet files")
    config: str = Field("", description="the Hub data set's configuration: the folder of its files")
    url: str = Field("", description="gzipped JSON lines, one file a label: {label} in the address stands for its name")
    text: Name = Field("text", description="column of the text")
    text_pair: str = Field("", description="column of the second text, for pairs; empty for none")
    label: Name = Field("label", description="column of the label: its name, or its index in `labels`")
    id: str = Field("id", description="column that names an example; empty to number the rows")
    split: str = Field("split", description="column of a file that names its splits; empty: all of it is `train`")
    slices: tuple[Name, ...] = Field(
        (),
        description="columns that examples are grouped by to see where the model fails; published even without texts",
    )
    train: tuple[Name, ...] = Field(("train",), description="the source's splits that training is taken from")
    validation: str | Share = Field("validation", description="a split of the source, or a share carved from `train`")
    test: str | Share = Field("test", description="a split of the source, or a share carved from `train`")
    seed: Seed = Field(42, description="of what is carved and sampled; apart from training's, so that seeds compare")
    leaks: Literal["keep", "drop"] = Field("keep", description="whether training texts that are measured on stay in")
    first: int = Field(0, ge=0, description="of a url, read only so many rows of each label; 0 for all")
    sample: int = Field(0, ge=0, description="of these, keep so many, drawn at random; 0 for all")
    limit: int = Field(0, ge=0, description="use only so many rows of each split; 0 for all")

    @model_validator(mode="after")
    def _one_source(self) -> "Data":
        if len(given := [name for name in SOURCES if getattr(self, name)]) != 1:
            raise ValueError(f"must have exactly one of {', '.join(SOURCES)}; it has {' and '.join(given) or 'none'}")
        if self.url and "{label}" not in self.url:
            raise ValueError("url must have {label} in it, where each label's name goes")
        if taken := sorted({*self.slices} & {*TAKEN}):
            raise ValueError(f"slices must not name {', '.join(taken)}: rename the column, these have a meaning here")
        if "@" in urlsplit(self.url).netloc:
            raise ValueError("url must not hold a user or a password: recipes are stored and published")
        return self


class Training(_Section):
    """Hyper-parameters."""

    epochs: Count = Field(3, description="at most so many passes over the training split")
    batch_size: Count = Field(16, description="texts per optimiser step")
    micro_batch: int = Field(0, ge=0, description="of these, texts at a time; 0: all, halved when memory runs out")
    learning_rate: Positive = Field(2e-5, description="peak of the linear schedule")
    weight_decay: Annotated[float, Field(ge=0)] = Field(0.01, description="AdamW's decoupled weight decay")
    adam_epsilon: Positive = Field(1e-8, description="AdamW's epsilon")
    warmup: Annotated[float, Field(ge=0)] = Field(
        0.1, description="steps of rising rate; below 1, a share of all steps"
    )
    max_tokens: Annotated[int, Field(ge=8, le=8192)] = Field(256, description="longer texts are cut, and counted")
    last_tokens: Annotated[int, Field(ge=8)] | Literal[0] = Field(
        0, description="training reads at most so many of a text's tokens, the last ones, and takes less time; 0: all"
    )
    patience: Count = Field(2, description="stop after so many epochs without a lower validation loss")
    dropout: Fraction = Field(0.1, description="share of hidden units dropped while training")
    attention_dropout: Fraction = Field(0.1, description="share of attention weights dropped while training")
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = Field(
        0, description="share of the training target that is spread evenly over all labels"
    )
    average: Share | Literal[0] = Field(
        0, description="share of a running average of the weights kept each step; 0: none"
    )
    frozen: tuple[Name, ...] = Field((), description="how names of the encoder's parameters begin that are not trained")
    even_start: bool = Field(
        False, description="the last layer looks at all tokens alike at first: for encoders made for the mean of them"
    )
    both_orders: bool = Field(False, description="an epoch reads each pair in one of its two orders, drawn by chance")
    max_grad_norm: Positive = Field(1.0, description="gradients are clipped to this norm")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="auto: bf16 where it is measured to be faster"
    )
    checkpoint_steps: Count = Field(
        500, description="steps between checkpoints to resume from; each epoch has one, too"
    )

    @model_validator(mode="after")
    def _whole_pieces(self) -> "Training":
        if self.micro_batch and self.batch_size % self.micro_batch:
            raise ValueError(f"batch_size ({self.batch_size}) must be a multiple of micro_batch ({self.micro_batch})")
        return self


class Example(_Section):
    """A text to try in the app, or a pair; a text alone stands for one without more."""

    text: Name
    text_pair: str = Field("", description="the second text, for pairs")
    tag: str = Field("", description="what makes it hard, in a word or two")


def _as_example(given: Any) -> Any:
    return {"text": given} if isinstance(given, str) else given


class Publish(_Section):
    """What may leave this machine, and what the card says of it."""

    texts: bool = Field(False, description="whether the data set's licence allows example texts to be published")
    license: Name = Field("other", description="the model's licence, as the Hub names it")
    language: Name = Field("en", description="language code of the texts")
    dataset: Name = Field("unnamed data", description="name of the data set, for people")
    dataset_license: Name = Field("unknown", description="licence of the data set")
    intended_use: str = Field("", description="a paragraph for the card")
    limits: str = Field("", description="a paragraph for the card: where the model should not be trusted")
    examples: tuple[Annotated[Example, BeforeValidator(_as_example)], ...] = Field(
        (), description="to try in the app: texts, or tables of text, text_pair and tag"
    )


class Recipe(_Section):
    """A whole recipe; `name` is the file's name without `.toml`."""

    name: Folder = Field(description="letters, digits, `.`, `_` and `-`: runs live in a folder of this name")
    title: Name = Field(description="what the model does, in a few words")
    labels: tuple[Name, ...] = Field(description="in the order of the model's outputs; the last of two is 'positive'")
    encoder: Name = Field(description="minilm, a Hub id (user/name@commit) or a local folder")
    engine: Literal["trainer", "loop"] = "trainer"
    seed: Seed = 42
    track: tuple[Literal["wandb", "tensorboard", "trackio"], ...] = Field(
        (), description="where to follow training, too"
    )
    data: Data
    training: Training = Training()
    publish: Publish = Publish()
    reported: dict[str, float] = Field({}, description="figures that others report for this recipe, by metric")
    goal: dict[str, Fraction] = Field({}, description="test accuracy that is to be reached, by encoder")

    @field_validator("labels")
    @classmethod
    def _labels_are_usable(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        if len(labels) < 2 or len(set(labels)) != len(labels):
            raise ValueError("must be at least two, all different")
        return labels

    @model_validator(mode="after")
    def _orders_of_pairs(self) -> "Recipe":
        if self.training.both_orders and not self.data.text_pair:
            raise ValueError("training.both_orders: needs pairs, and data.text_pair names no column")
        return self


def load(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe file; `overrides` are `key=value` strings (`training.epochs=5`), values as in TOML.

    A table `[encoders.NAME]` of the file holds what is different with the encoder NAME. An override of one of
    data.file, data.hub and data.url replaces whichever of them the file has.
    Raises RecipeError with every problem found.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecipeError(f"There is no recipe {path}. `python -m train recipes` lists those there are.") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"{path} is not a readable TOML file: {error}") from None
    values.setdefault("name", path.stem)
    changed: dict[str, Any] = {}
    for override in overrides:
        _apply(changed, override)
    variants = values.pop("encoders", {})
    if not isinstance(variants, dict) or not all(isinstance(each, dict) for each in variants.values()):
        raise RecipeError(f"{path}: encoders must be tables, [encoders.NAME] each.")
    for name, variant in variants.items():  # a mistake in one is told before it is needed
        parse(_merged(values, variant), f"{path} with the encoder {name}")
    chosen = variants.get(changed.get("encoder", values.get("encoder")), {})
    return parse(_merged(_merged(values, chosen), changed), str(path))


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
    return {key: (left.get(key), right.get(key)) for key in left | right if left.get(key) != right.get(key)}


def flat(recipe: Recipe) -> dict[str, Any]:
    """All keys, dotted, with their values."""
    return _flat(recipe.model_dump())


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def _merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`values` with `changes` put in, section by section."""
    kept = dict(values)
    for name, value in changes.items():
        old = kept.get(name)
        if name == "data" and isinstance(old, Mapping) and any(source in value for source in SOURCES):
            old = {key: kept for key, kept in old.items() if key not in SOURCES}
        kept[name] = _merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return kept


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
    if detail["type"] == "value_error" and isinstance(detail["input"], dict):
        # A whole section is no help, and may hold what must not be shown.
        return f"{key}: {detail['ctx']['error']}" if key else str(detail["ctx"]["error"])
    if detail["type"] == "value_error":
        return f"{key}: {detail['ctx']['error']} (it is {detail['input']!r})"
    problem = detail["msg"].replace("Input should be", "must be")
    return f"{key}: {problem} (it is {detail['input']!r})"


def _section(location: tuple[int | str, ...]) -> type[BaseModel]:
    model: type[BaseModel] = Recipe
    for part in location[:-1]:
        field = model.model_fields.get(str(part))
        model = (field and _model_in(field.annotation)) or model
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The section that a field is, or is a list of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)


def _suggestion(location: tuple[int | str, ...]) -> str:
    allowed = sorted(_section(location).model_fields)
    near = difflib.get_close_matches(str(location[-1]), allowed, n=1)
    return f"; did you mean {near[0]}?" if near else f"; allowed are {', '.join(allowed)}"


def _description(location: tuple[int | str, ...]) -> str:
    field = _section(location).model_fields.get(str(location[-1]))
    return (field.description if field else None) or "it must be given"
