"""The parts of the page of training runs: finished runs beside each other, and one in progress."""

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from core import address, curve_charts, curves, live, making, ui, wording
from core.making import Made
from core.runs import Run


def finished(name: str) -> None:
    """What the model cost, its curves beside those of others, how they differ, and what it was made of."""
    cards = st.container(horizontal=True)
    names, title = _choices(name)
    made = _read(names)
    first = made.get(names[name])
    for key, words in making.CARDS.items():
        cards.metric(key, first.cost[key] if first else making.NONE, help=words, border=True, width=ui.CARD)
    _draw({short: each.points for short, each in made.items()}, title)
    for heading, table in making.differences(made).items():
        st.header(heading, anchor=False)
        if len(table):
            ui.table(table)
        else:
            st.caption("There is none.")
    for heading, table in making.tables(first).items() if first else ():
        with st.expander(heading):
            ui.table(table)


def pick_unfinished(unfinished: Sequence[Run]) -> Run | None:
    """The unfinished run that the reader wants to watch, kept in the URL as `live`; None if it is none."""
    names = {run.name: run for run in unfinished}
    if not names:
        return None
    words = {"placeholder": "Choose one to watch it", "help": "Runs that are being trained, or were interrupted."}
    return names.get(address.select("Unfinished runs", list(names), "live", **words) or "")


def in_progress(run: Run) -> None:
    """A run that is not complete, beside finished ones, which looks again by itself."""
    names, title = _choices(run.name)
    _watch(run, names, _read({name: short for name, short in names.items() if name != run.name}), title)


@st.fragment(run_every=live.EVERY)
def _watch(run: Run, names: Mapping[str, str], others: Mapping[str, Made], title: str) -> None:
    """The run as it is now. When it is complete, the page shows it like any other."""
    with ui.errors():
        now = live.look(run)
        if now.phase == live.Phase.COMPLETE:
            st.rerun()
        st.progress(now.share, text=now.sentence)
        if now.stopped:
            st.warning(now.how_to_go_on, icon=":material/pause_circle:")
        cards = st.container(horizontal=True)
        for key, value in curves.latest(now.points).items():
            cards.metric(key, wording.figure(value), border=True, width=ui.CARD)
        _draw({names[run.name]: now.points} | {short: each.points for short, each in others.items()}, title)


def _choices(name: str) -> tuple[dict[str, str], str]:
    """The model and those that the reader puts beside it, with short names, and of which metric to draw the curves."""
    offered = [each for each in ui.offered() if each != name][: making.OFFERED]
    titles = wording.short_names(offered)
    show = {"format_func": lambda each: wording.as_line(titles[each])}
    chosen = address.several("Compare with", offered, "compare", **show) if offered else []
    title = address.segments("Curve", list(curves.SHOWN), "curve")
    if len(chosen) >= making.MOST:
        st.caption(f"Only {making.MOST} runs can be told apart by their colours; the first {making.MOST} are shown.")
    return wording.short_names([name, *chosen[: making.MOST - 1]]), title


def _read(names: Mapping[str, str]) -> dict[str, Made]:
    """How models were made, by their short names; the page tells of those that are damaged."""
    found = {}
    for name, short in names.items():
        with ui.errors():
            found[short] = making.read(ui.open_model(name).record, name)
    return found


def _draw(lines: Mapping[str, pd.DataFrame], title: str) -> None:
    """One metric's curves of all runs."""
    chart, words = curve_charts.overlay(lines, title), curves.in_words(lines, title)
    st.plotly_chart(chart, width="stretch", config={"displayModeBar": False}, key="curves", alt=words)
    if title == "Loss":
        st.caption("Thick lines are validation, a point an epoch; thin ones are training, smoothed.")
