"""What all pages share: the model picker, caches, the error box. No core module below it knows Streamlit."""

import os
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
import streamlit as st
from PIL import Image
from streamlit.runtime.pages_manager import PagesManager

from core import (
    asking,
    confidence,
    fastest,
    hub,
    integrity,
    predictor,
    revisions,
    runs,
    texts,
    threshold,
    verdict,
    views,
    watch,
)
from core.backends import REFERENCE
from core.confidence import Confidence
from core.errors import WRONG_SHAPE, DataError, HubError, HubUnreachable, NotOnHub, RunError, VerdictError
from core.evaluation import Evaluation, Split
from core.hub import Publication
from core.predictor import Predictor
from core.recipe import Recipe
from core.revisions import Revision
from core.runs import Run
from core.wording import as_cell, as_markdown

Model = Run | Publication
T = TypeVar("T")

NOTHING_YET = """
There is no model to show yet.

- **Train one here**, publish it to a local Hub and come back: `make demo`
- **Or show one from the Hub**: start the app with `VERDICT_MODELS=user/name@commit`, or type such a name above.
"""

TRIAL_AFTER = 2.0
"""Seconds from when a model is loaded until backends are tried: the first answer is not to wait for them."""
LARGEST_PICTURE = 20_000_000
"""Pixels."""
CARD = 164
"""Pixels that a figure's card is wide: four stand beside each other on a page, two on a phone."""
WIDEST = 320
"""Pixels of a table's first column."""

_PICKER, _CHOSEN = "picker", "chosen_model"


def start(title: str, question: str) -> None:
    """Open a page: its name, and the one question it answers. Every page calls this first, since any may be first."""
    if PagesManager.uses_pages_directory:
        # Until somebody has been at the table of contents, Streamlit makes up one of its own for a link to a page.
        PagesManager.uses_pages_directory = False
        st.rerun()
    st.set_page_config(page_title=f"{title} · Verdict", page_icon=":material/balance:", layout="centered")
    st.title(title, anchor=False)
    st.caption(question)


@contextmanager
def errors() -> Iterator[None]:
    """Show a VerdictError as a box, and that a publication's files are of another shape than they should be.

    Other errors are ours to mend, and pass.
    """
    try:
        yield
    except VerdictError as error:
        _show_error(str(error))
    except WRONG_SHAPE as error:
        if "@" not in (name := st.session_state.get(_CHOSEN) or ""):
            raise
        _show_error(f"A file of {name} does not hold what Verdict writes there ({type(error).__name__}: {error}).")


def _show_error(message: str) -> None:
    st.error(as_markdown(message), icon=":material/error:")


def pick() -> Model | None:
    """The model that the reader chose, kept in the URL as `model`; None if there is none, and the page says what to do.

    Raises VerdictError when the model cannot be had.
    """
    if "@" in (st.query_params.get("model") or os.environ.get("VERDICT_MODELS", "")):
        _watch().silent(patience=0)  # asks the Hub already now, as the answer will be waited for
    options = offered()
    if asked := st.query_params.get("model"):  # a link, or the browser's back
        st.session_state[_CHOSEN] = asked
    chosen = st.session_state.setdefault(_CHOSEN, options[0] if options else None)
    st.session_state[_PICKER] = chosen  # a widget's own state is lost when the page changes
    st.selectbox(
        "Model",
        options,
        index=None,
        key=_PICKER,
        on_change=_take_choice,
        accept_new_options=True,
        placeholder="Choose a run, or type user/name of a model on the Hub",
        help="A run on this machine is named recipe/id, a model on the Hub user/name@commit.",
    )
    if not chosen:
        st.info(NOTHING_YET, icon=":material/info:")
        return None
    st.query_params["model"] = chosen  # so that any view can be shared by its link
    model = open_model(chosen)
    if model.name in _unconfirmed():
        st.fragment(_say_unconfirmed, run_every=watch.AGAIN)(model.name)
    return model


def main_button(label: str, icon: str) -> bool:
    """The button of what a page is for.

    Streamlit writes in white on the accent colour, which can be read where that is dark: in the light theme.
    """
    light = st.context.theme.type != "dark"
    return st.button(label, type="primary" if light else "secondary", icon=icon)


def choose(name: str) -> None:
    """Choose a model for the reader; before `pick`."""
    st.session_state[_CHOSEN] = st.query_params["model"] = name


def _take_choice() -> None:
    st.session_state[_CHOSEN] = chosen = st.session_state[_PICKER]
    if chosen:
        st.query_params["model"] = chosen  # at once: an address without a model in between would be a step for back
    else:
        st.query_params.pop("model", None)


def open_model(name: str) -> Model:
    """The run `recipe/id`, or the publication `user/name[@revision]` with its evaluation."""
    if "@" not in name:
        run = runs.Run(runs.root() / name)
        if run.path.is_dir() and name.count("/") == 1 and ".." not in name:
            return run
    repo, commit = _resolve(name)
    if not name.endswith(commit):
        st.caption(f"{as_markdown(repo)} is at commit `{commit}`.")
    return _publication(repo, commit)


def recipe_of(model: Model) -> Recipe | None:
    """The recipe behind a model; None for a model on the Hub that was not published by Verdict."""
    try:
        return model.record.recipe
    except NotOnHub:
        return None


def load_predictor(name: str) -> Predictor:
    """The model, ready to predict; a publication's bytes are hashed before they are loaded.

    What is fastest here is found out beside the first answers, which the reference gives.
    """
    with st.spinner("Loading the model"):
        return _predictor(name)


@st.cache_resource(max_entries=3, show_spinner=False)  # it is called outside of pages, too
def _predictor(name: str) -> Predictor:
    model = open_model(name)
    folder = model.model if isinstance(model, Run) else _checked(model.repo, model.commit, "model").folder
    if fastest.known(folder):
        return fastest.load(folder)
    loaded = predictor.load(folder)
    trial = threading.Timer(TRIAL_AFTER, _try_backends, (name, folder))
    trial.daemon = True
    trial.start()
    return loaded


def _try_backends(name: str, folder: Path) -> None:
    """Find out which backend is fastest with a model, and have it read from then on."""
    choices = fastest.choose_apart(folder)
    if choices and choices["alone"].backend != REFERENCE:
        with suppress(VerdictError):  # the page tells it when it comes upon it
            _predictor.clear(name)
            _predictor(name)


@st.cache_resource(max_entries=64, show_spinner=False)
def prepare(name: str) -> None:
    """Begin to load the model while the reader still reads the page; once in a process."""

    def load() -> None:
        with suppress(VerdictError):  # the page tells it when it comes upon it
            _predictor(name)

    threading.Thread(target=load, name="prepare", daemon=True).start()


@st.cache_resource(max_entries=8, show_spinner=False)
def load_confidence(name: str) -> Confidence | None:
    """How far the model's confidence can be trusted; None where there is no record that can be read."""
    try:
        return confidence.of_record(open_model(name).record)
    except (NotOnHub, RunError):
        return None


def remember(name: str, of: Hashable, make: Callable[[], T]) -> T:
    """What `make` gives `of` something: made anew when that is another, and kept in the session of who asked."""
    kept = st.session_state.get(name)
    if kept is None or kept[0] != of:
        st.session_state[name] = kept = (of, make())
    found: T = kept[1]
    return found


@st.cache_resource(max_entries=8, ttl=1800, show_spinner="Reading the texts")
def load_texts(name: str, split: str) -> pd.DataFrame | None:
    """The texts behind a model's predictions; None where they cannot be had now. All who look share the one frame."""
    try:
        return texts.of_record(open_model(name).record, split)
    except (DataError, HubError):
        return None


@st.cache_resource(max_entries=8, show_spinner="Reading the predictions")
def load_split(name: str, split: str) -> Split:
    """A model's stored predictions of a split. All who look share the one."""
    record = open_model(name).record
    return Split(record, split, record.predictions(split))


@st.cache_resource(max_entries=8, show_spinner="Measuring at this threshold")
def load_evaluation(name: str, split: str, at: float) -> Evaluation:
    """The split with the second of two labels decided from probability `at` on. All who look share the one."""
    return Evaluation(load_split(name, split), at)


def scores_at(name: str, split: str, at: float) -> dict[str, Any]:
    """The split's entry as in metrics.json, with the second of two labels decided from probability `at` on.

    What was published needs no predictions.
    """
    record = open_model(name).record
    if at == threshold.USUAL or len(record.labels) != 2:
        published: dict[str, Any] = record.metrics["splits"][split]
        return published
    return load_evaluation(name, split, at).scores


@st.cache_data(max_entries=16, show_spinner="Comparing confidence with accuracy")
def load_reliabilities(name: str, split: str) -> list[tuple[pd.DataFrame, float]]:
    """A split's `views.reliabilities`, which no threshold moves."""
    found = load_split(name, split)
    return views.reliabilities(found.found, found.temperature)


@st.cache_data(max_entries=16, show_spinner="Trying every threshold")
def load_curves(name: str, split: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The points of a split's ROC curve, and of precision by recall: those of all thresholds."""
    found = load_split(name, split).found
    return threshold.roc(found), threshold.precision_recall(found)


def offer(make: Callable[[], pd.DataFrame], name: str) -> None:
    """A button that downloads the table as CSV, figures in full and texts such that no spreadsheet runs them.

    The table is made when it is asked for: it may have a row an example.
    """
    st.download_button(
        "Download as CSV",
        lambda: make().map(as_cell).to_csv(index=False).encode(),
        file_name=f"{name}.csv",
        mime="text/csv",
        key=f"download-{name}",
        on_click="ignore",
        type="tertiary",
        icon=":material/download:",
    )


@st.cache_resource
def verifications() -> dict[str, dict[str, Any]]:
    """What this process verified, by publication name: the same for all who look."""
    return {}


def last_verification(name: str) -> dict[str, Any] | None:
    """The newest verification of a publication: made by this process, or stored in the local run."""
    run = runs.of_publication(*hub.resolve(name))
    stored = [each for each in run.verifications if each["commit"] in name] if run else []
    return verifications().get(name) or (stored[-1] if stored else None)


@st.cache_data(ttl=300, max_entries=16, show_spinner="Asking the Hub for the revisions")
def load_revisions(repo: str) -> list[Revision]:
    """The repo's revisions, as they were at most five minutes ago."""
    return revisions.of(repo)


@st.cache_data(max_entries=32, show_spinner="Comparing")
def compare_revisions(repo: str, first: str, second: str) -> dict[str, Any]:
    """The verdict on two commits of a repo, as stored in verifications."""
    return verdict.between(_publication(repo, first).record, _publication(repo, second).record).to_json()


def table(frame: pd.DataFrame) -> None:
    """A table as high as its rows, without their numbers; of many columns the first is readable and stays in sight.

    On a phone it moves with the others where it would leave them no room: that is what Streamlit does.
    """
    first = {frame.columns[0]: st.column_config.Column(pinned=True, width=_width(frame))}
    many = len(frame.columns) > 2
    st.dataframe(frame, hide_index=True, width="stretch", height="content", column_config=first if many else None)


def _width(frame: pd.DataFrame) -> int:
    """About what the longest cell of the first column takes, in pixels."""
    cells = [str(frame.columns[0]), *map(str, frame.iloc[:, 0])]
    return min(WIDEST, round(6.5 * max(map(len, cells))) + 18)


def card(model: Model) -> str:
    """The model's card. Raises RunError when the run has none yet."""
    path = model.path / "card.md" if isinstance(model, Run) else model.folder / "README.md"
    if not path.is_file():
        raise RunError(f"{model.name} has no card yet: it is written when the run is complete.")
    return path.read_text(encoding="utf-8", errors="replace")


def picture(model: Model, path: str) -> Path | None:
    """The file of a picture that the card names, in a run or in a publication; None if it has no such picture."""
    there = {f"evaluation/pictures/{file.name}": file for file in model.record.folder.glob("pictures/*")}
    return there[path] if path in there and _can_be_shown(there[path]) else None


def _can_be_shown(picture: Path) -> bool:
    """Whether it is a whole picture of a decent size: a few bytes can unfold to gigabytes."""
    try:
        with Image.open(picture, formats=["PNG"]) as image:
            if image.width * image.height > LARGEST_PICTURE:
                return False
            image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):  # all that Pillow raises
        return False
    return True


def not_published(run: str) -> str:
    """What to do where a page is about the Hub and the run is not there."""
    return f"This run is not on a Hub yet: `python -m train publish {run} --repo user/name`"


def names_on_hub(model: Model) -> list[str]:
    """The publications of a run, newest first; a publication is its own."""
    if isinstance(model, Publication):
        return [model.name]
    return list(dict.fromkeys(f"{p['repo']}@{p['commit']}" for p in reversed(model.publications)))


def offered() -> list[str]:
    """The models to choose from: configured ones, then the newest complete runs, then where those were published."""
    configured = [name.strip() for name in os.environ.get("VERDICT_MODELS", "").split(",") if name.strip()]
    complete = [run for run in runs.every() if run.complete]
    published = [name for run in complete for name in _published(run)]
    return list(dict.fromkeys([_pinned(name) for name in configured] + [run.name for run in complete] + published))


def _published(run: Run) -> list[str]:
    try:
        return names_on_hub(run)
    except (ValueError, KeyError):
        return []  # a damaged list of publications is no reason to hide the run


def _pinned(name: str) -> str:
    try:
        repo, commit = _resolve(name)
        return f"{repo}@{commit}"
    except HubError:
        return name  # the error is shown when the model is chosen


@st.cache_data(ttl=300, max_entries=64, show_spinner=False)
def _resolve(name: str) -> tuple[str, str]:
    silent = not hub.is_pinned(name) and _watch().silent(2 * hub.LONGEST_PING)
    with asking.nobody() if silent else nullcontext():
        return hub.resolve(name)


@st.cache_resource(max_entries=16, show_spinner="Fetching the evaluation from the Hub")
def _publication(repo: str, commit: str) -> Publication:
    return _checked(repo, commit, "evaluation")


def _checked(repo: str, commit: str, part: hub.Part) -> Publication:
    """The publication, checked; a silent Hub is not waited for where everything is in the cache."""
    silent = hub.cached(repo, commit, part) is not None and _watch().silent()
    with asking.nobody() if silent else nullcontext():
        publication = hub.fetch(repo, commit, part)
        found = integrity.require_whole(publication)
    if not found.against_hub:
        _unconfirmed()[publication.name] = watch.Watch(lambda: _confirm(publication))
    return publication


@st.cache_resource
def _watch() -> watch.Watch:
    """Whether the Hub answers."""
    return watch.Watch(hub.answers)


@st.cache_resource
def _unconfirmed() -> dict[str, watch.Watch]:
    """The publications that were checked against their manifest alone, by name: whether the Hub still says nothing."""
    return {}


def _confirm(publication: Publication) -> bool:
    """Check again what was shown without the Hub; False if it still can't be asked. What fails is shown no longer."""
    try:
        found = integrity.check(publication)
        if not found.bad:
            return found.against_hub
    except HubUnreachable:
        return False
    except HubError:
        pass  # the page will come upon it, too
    _publication.clear()
    _predictor.clear()
    return True


def _say_unconfirmed(name: str) -> None:
    """Say that the Hub does not answer, for as long as it doesn't."""
    waiting = _unconfirmed().get(name)  # another session may have been told
    if waiting is None or not waiting.silent(patience=0):
        _unconfirmed().pop(name, None)
        st.rerun()
    st.info(
        "The Hub does not answer. What you see is the model's copy on this machine, at its commit. "
        "The Hub is asked again in the background.",
        icon=":material/cloud_off:",
    )
