"""A training followed in other tools, too: Weights & Biases, TensorBoard, Trackio.

A run's own history is the record; a tracker gets a copy of every entry, under the same names and at the same step. So a
tracker may fail without harm: this is logged once, as a warning, the tracker gets no more entries, and training goes
on, since a run must not be lost because a dashboard is down. Only a tracker that is not installed stops training, and
does so before it begins.

Nothing is written into the run, which is hashed when it is complete. TensorBoard's files are under `tensorboard/` and
those of Weights & Biases under `wandb/`, beside the runs; Trackio keeps its own in HF_HOME, where `trackio show` looks.
The trackers find their keys in the environment: none passes through here, and a tracker is told of the recipe only, not
of the machine or the command line.
"""

import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from importlib import import_module
from typing import Any, Protocol

from core import recipe as recipes
from core import runs
from core.errors import RecipeError
from core.recipe import Recipe
from core.runs import Run

log = logging.getLogger("verdict")

PROJECT = "verdict"
PACKAGES = {"wandb": "wandb", "tensorboard": "torch.utils.tensorboard", "trackio": "trackio"}
"""What can be followed with, by the name of its package: the module to import."""
PATIENCE = 60
"""Seconds that Weights & Biases may take to answer at the start, and to send what is left at the end."""


class Tracker(Protocol):
    """A tool that shows a training."""

    def log(self, values: dict[str, float], step: int) -> None:
        """Take the figures of a step. A resumed training repeats some steps, with the values they had before."""

    def close(self, *, failed: bool) -> None:
        """Write or send what is left; `failed` says that training did not end well."""


class Tracking:
    """The trackers of a training, by name."""

    def __init__(self, trackers: Mapping[str, Tracker]) -> None:
        self._opened = dict(trackers)
        self._working = dict(trackers)

    def log(self, entry: Mapping[str, Any]) -> None:
        """Pass the numbers of an entry of the history on. Raises nothing."""
        numbers = {key: float(value) for key, value in entry.items() if key != "step" and _is_number(value)}
        for name, tracker in list(self._working.items()):
            try:
                tracker.log(numbers, entry["step"])
            except Exception as error:
                _warn(name, "failed and gets no more entries", error)
                del self._working[name]

    def close(self, *, failed: bool = False) -> None:
        """Close every tracker that was opened. Raises nothing."""
        while self._opened:
            name, tracker = self._opened.popitem()
            try:
                tracker.close(failed=failed)
            except Exception as error:
                _warn(name, "could not be closed", error)


@contextmanager
def open(recipe: Recipe, run: Run) -> Iterator[Tracking]:
    """The trackers that `recipe` asks for, closed at the end whatever happens.

    Raises RecipeError, before anything is opened, where one is not installed. One that does not open for another reason
    is left out with a warning.
    """
    require(recipe)
    opened: dict[str, Tracker] = {}
    for name in recipe.track:
        try:
            opened[name] = TRACKERS[name](recipe, run)
        except Exception as error:
            _warn(name, "could not be opened and does not follow this training", error)
    tracking = Tracking(opened)
    try:
        yield tracking
    except BaseException:
        tracking.close(failed=True)
        raise
    tracking.close()


def require(recipe: Recipe) -> None:
    """Import what `recipe` is tracked with. Raises RecipeError naming each package that is missing."""
    missing = {}
    for name in recipe.track:
        try:
            _module(name)
        except ImportError as error:
            missing[name] = str(error)
    if missing:
        raise RecipeError(
            f"The recipe is to be tracked with {' and '.join(missing)}, which cannot be imported "
            f"({'; '.join(missing.values())}). Install with `pip install {' '.join(missing)}` (the versions that were "
            "tested are in requirements-track.txt), or train without: --set track=[]"
        )


class _Wandb:
    """Weights & Biases: offline, unless WANDB_API_KEY is set or WANDB_MODE says otherwise."""

    def __init__(self, recipe: Recipe, run: Run) -> None:
        wandb = _module("wandb")
        runs.root().mkdir(parents=True, exist_ok=True)
        self._run = wandb.init(
            project=PROJECT,
            id=run.name.replace("/", "-"),
            name=run.name,
            group=recipe.name,
            config=recipes.flat(recipe),
            dir=str(runs.root().resolve()),
            mode=None if os.environ.get("WANDB_MODE") or os.environ.get("WANDB_API_KEY") else "offline",
            resume="allow",
            settings={
                "console": "off",
                "disable_git": True,
                "save_code": False,
                "x_disable_meta": True,
                "x_disable_machine_info": True,
                "x_disable_stats": True,
                "x_save_requirements": False,
                "init_timeout": PATIENCE,
                "finish_timeout": PATIENCE,
            },
        )

    def log(self, values: dict[str, float], step: int) -> None:
        self._run.log(values, step=step)

    def close(self, *, failed: bool) -> None:
        self._run.finish(exit_code=int(failed))


class _TensorBoard:
    """TensorBoard: `tensorboard --logdir runs/tensorboard`."""

    def __init__(self, recipe: Recipe, run: Run) -> None:
        self._folder = runs.root() / "tensorboard" / run.name
        self._folder.mkdir(parents=True, exist_ok=True)
        self._new, self._recipe = _module("tensorboard").SummaryWriter, recipe
        self._writer: Any = None
        self._last = 0

    def log(self, values: dict[str, float], step: int) -> None:
        if self._writer is None or step < self._last:
            self._begin(step)
        self._last = step
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self, *, failed: bool) -> None:
        if self._writer is not None:
            self._writer.close()

    def _begin(self, step: int) -> None:
        """Begin a file that takes the place of what earlier ones say from `step` on."""
        self.close(failed=False)
        self._writer = self._new(str(self._folder), purge_step=step)
        lines = (f"    {line}" for line in recipes.dumps(self._recipe).splitlines())  # indented: code, as Markdown
        self._writer.add_text("recipe", "\n".join(lines), step)


class _Trackio:
    """Trackio: on this machine, unless TRACKIO_SPACE_ID or TRACKIO_SERVER_URL says otherwise."""

    def __init__(self, recipe: Recipe, run: Run) -> None:
        trackio = _module("trackio")
        with redirect_stdout(sys.stderr):  # it prints, and what stands on stdout is the command's answer
            self._run = trackio.init(
                project=PROJECT,
                name=run.name,
                group=recipe.name,
                config=recipes.flat(recipe),
                resume="allow",
                embed=False,
                auto_log_gpu=False,
                auto_log_cpu=False,
            )

    def log(self, values: dict[str, float], step: int) -> None:
        self._run.log(values, step=step)

    def close(self, *, failed: bool) -> None:
        with redirect_stdout(sys.stderr):
            _module("trackio").finish()  # not the run's own, which would be finished again when Python ends


TRACKERS: dict[str, Callable[[Recipe, Run], Tracker]] = {
    "wandb": _Wandb,
    "tensorboard": _TensorBoard,
    "trackio": _Trackio,
}


def _module(name: str) -> Any:
    """A tracker's module, imported where it is used; typed as Any, since none of them need be installed."""
    return import_module(PACKAGES[name])


def _warn(name: str, what: str, error: Exception) -> None:
    """Say that a tracker failed: tools and their networks raise anything, and the run goes on."""
    log.warning("%s %s (%s: %s). The run is not affected.", name, what, type(error).__name__, error)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
