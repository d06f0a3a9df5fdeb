"""What Classify shows of a typed text: boxes, answer, the words that carried it, and a pinned answer beside it."""

from collections.abc import Hashable
from dataclasses import dataclass
from functools import partial

import numpy as np
import streamlit as st

from core import charts, explain, marked, reading, theme, ui, views, wording
from core import confidence as confidences
from core.confidence import Confidence
from core.errors import InputError
from core.explain import Explanation
from core.predictor import Predictor
from core.reading import Reading
from core.recipe import Recipe

MODES = {
    reading.HEAD: "The beginning",
    reading.HEAD_AND_TAIL: "Beginning and end",
    reading.WINDOWS: "All, in pieces",
}
MODES_MEANING = """The model reads {n:,} tokens (pieces of words) at once.

- **The beginning** is what its evaluation read (head).
- **Beginning and end**: the first quarter, and three from the end (head and tail).
- **All, in pieces**: pieces that overlap by half, whose probabilities are averaged (sliding windows).
"""
WHY = (
    "Each word is left out once, and the model asked again: a word carried the answer that is less likely without it. "
    "(Leave-one-out, by log-odds. It costs some 130 predictions.)"
)
FAITHFUL = (
    "Comprehensiveness and sufficiency at 10, 20 and 50% of the words, beside ten orders of the words drawn by chance. "
    "The colours are shown at once where they do better than nine of the ten."
)
NOT_FAITHFUL = "Leaving out the words that seem to matter moves this answer no more than leaving out words by chance."


@dataclass(frozen=True)
class Answer:
    """What a model made of a text, as it can be pinned."""

    model: str
    labels: tuple[str, ...]
    reading: Reading
    pair: str | None
    """the second text"""
    of: Hashable
    """what it is the answer to: equal for the same question"""


def ask(recipe: Recipe | None) -> tuple[str, str | None, bool]:
    """The boxes: the text, the second text of pairs, and whether an answer was asked for."""
    pairs = bool(recipe and recipe.data.text_pair)
    name, words = ("First text", "Type or paste a text") if pairs else ("Your review", "Type or paste a review")
    # Kept for the session: they are there again when the reader comes back from another page.
    text = st.text_area(name, key="text", height=150, placeholder=words, persist_state="session")
    pair = st.text_area("Second text", key="pair", height=150, persist_state="session") if pairs else None
    asked = ui.main_button("Classify", ":material/arrow_forward:")
    if recipe and recipe.publish.examples:
        st.pills(
            "Or try one of these",
            recipe.publish.examples,
            key="example",
            on_change=_try_example,
            format_func=wording.example_name,
        )
    return text, pair, asked


def _try_example() -> None:
    """Put the example that was clicked into the boxes."""
    if example := st.session_state.pop("example"):
        st.session_state["text"], st.session_state["pair"] = example.text, example.text_pair


def read(model: str, loaded: Predictor, text: str, pair: str | None, temperature: float) -> Answer:
    """The model's answer, read anew only when something changed. Raises InputError when there is nothing to read."""
    mode = reading.HEAD
    if pair is None and reading.too_long(loaded, text):
        mode = _choose_mode(loaded)
    of = (model, text, pair, mode, temperature)
    with st.spinner("Reading"):
        found = ui.remember(
            "reading", (of, loaded.backend), lambda: reading.read(loaded, text, pair, mode, temperature)
        )
    return Answer(model, loaded.labels, found, pair, of)


def _choose_mode(loaded: Predictor) -> str:
    asked = st.segmented_control(
        "The text is too long to be read at once. Read",
        list(MODES),
        default=reading.HEAD,
        format_func=MODES.__getitem__,
        key="read",
        bind="query-params",
        help=MODES_MEANING.format(n=loaded.max_tokens),
    )
    return asked or reading.HEAD


def show(given: Answer, loaded: Predictor, confidence: Confidence | None, coverage: float) -> None:
    """The answer first, then the bars, then how it was reached."""
    found, bars = given.reading, views.bars(given.reading.probabilities, given.labels)
    named = confidences.named(found.probabilities, given.labels, confidence, coverage)
    meaning = confidences.meaning(len(named), coverage) if confidence else None
    st.header(confidences.answer(named), anchor=False, help=meaning)
    st.altair_chart(charts.confidence_bars(bars), width="stretch", alt=wording.bars_in_words(bars))
    for warning in wording.warnings(found):
        st.warning(warning, icon=":material/warning:")
    st.caption(f"{wording.read_in(found)} by {wording.BACKENDS[loaded.backend]}", help=wording.gate(loaded.parity))
    if found.unread:
        with st.expander("What was read, and what was not"):
            st.html(marked.unread(found.text, found.unread))
    if confidence is None:
        st.caption(confidences.NOT_CALIBRATED)


def choose_coverage(given: Answer, confidence: Confidence) -> float:
    """How often the answer shall hold the true label, and what that promise and the confidence are worth; folded."""
    with st.expander("How far can this be trusted?"):
        asked: float | None = st.segmented_control(
            "How often the answer shall hold the true label",
            confidences.COVERAGES,
            default=confidences.USUAL,
            format_func=confidences.asked_for,
            key="coverage",
            bind="query-params",
            help="The more often, the more labels it may have to name. (Coverage of the sets of labels.)",
        )
        coverage = asked or confidences.USUAL
        st.markdown(confidences.promised(confidence.found[coverage]))
        st.markdown(confidences.calibrated(confidence))
        if given.reading.mode != reading.HEAD:
            st.markdown("All this was measured on texts that were read from the beginning, as far as the model reads.")
    return coverage


def why(given: Answer, loaded: Predictor, temperature: float) -> None:
    """The words that carried the answer, when the reader asks for them."""
    if not st.toggle("Why?", key="why", bind="query-params", help=WHY):
        return
    if given.reading.n_pieces > 1:
        st.caption(f"Of the {given.reading.n_pieces:,} pieces, this is the one that speaks most for the answer.")
    for n, (predict, text) in enumerate(reading.parts(loaded, given.reading, given.pair, temperature)):
        try:
            with st.spinner("Leaving out words"):
                found = ui.remember(f"why {n}", given.of, partial(explain.explain, predict, text))
            _show_words(found, given)
        except InputError as error:
            st.caption(str(error))


def _show_words(found: Explanation, given: Answer) -> None:
    """The coloured words; folded away where they say no more than chance."""
    if not found.faithful:
        st.caption(NOT_FAITHFUL, help=FAITHFUL)
    with st.container() if found.faithful else st.expander("The words, all the same"):
        colours = theme.label_colours(len(given.labels))
        against = next(label for label in np.argsort(-given.reading.probabilities) if label != found.decided)
        st.html(marked.words(found, colours[found.decided], colours[against]))
        st.caption(wording.why(found, given.labels[found.decided]))
        st.caption(wording.faithfulness(found), help=FAITHFUL)


def compare(given: Answer) -> None:
    """A pinned answer beside the present one."""
    pinned: Answer | None = st.session_state.get("pinned")
    if pinned is None:
        st.button(
            "Pin to compare",
            icon=":material/keep:",
            on_click=_pin,
            args=(given,),
            help="Keep this answer, change the text or the model, and see both.",
        )
        return
    st.subheader("Beside the pinned answer", anchor=False)
    if pinned.labels != given.labels:
        st.caption("The pinned answer is of a model with other labels.")
    elif pinned.of == given.of:
        st.caption("This answer is pinned. Change the text or the model to see both.")
    else:
        _show_both(pinned, given)
    st.button("Unpin", icon=":material/keep_off:", on_click=_pin, args=(None,))


def _pin(given: Answer | None) -> None:
    st.session_state["pinned"] = given


def _show_both(pinned: Answer, given: Answer) -> None:
    now = views.bars(given.reading.probabilities, given.labels)
    before = views.bars(pinned.reading.probabilities, given.labels).set_index("index").loc[now["index"]].reset_index()
    for column, name, each, bars in zip(st.columns(2), ("Pinned", "Now"), (pinned, given), (before, now), strict=True):
        with column:
            st.markdown(
                f"**{name}**" + (f" · {wording.as_markdown(each.model)}" if pinned.model != given.model else "")
            )
            st.caption(wording.beginning(each.reading.text))
            st.altair_chart(charts.confidence_bars(bars), width="stretch", alt=wording.bars_in_words(bars))
    st.dataframe(views.compared(before, now), hide_index=True, width="stretch", height="content")
