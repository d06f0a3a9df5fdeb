"""The parts of pages that tell whether two sides agree: the verdict, the figures, the flips, the files."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from core import address, evidence, flip_chart, flips, hub, revisions, ui, views, wording
from core.verdict import Kind

SIDES = ("Local", "Hub")
BANNERS = {
    Kind.IDENTICAL: (st.success, ":material/verified:"),
    Kind.DRIFT: (st.info, ":material/approval:"),
    Kind.DECISIONS_CHANGED: (st.warning, ":material/rule:"),
    Kind.DIFFERENT: (st.error, ":material/gpp_bad:"),
    Kind.UNVERIFIABLE: (st.error, ":material/help:"),
}
RECENT = 5
"""Revisions that are listed beside a verdict."""


def show_verdict(found: Mapping[str, Any], basis: str = "") -> None:
    """A stored verdict's conclusion, and what it was compared with."""
    box, icon = BANNERS[Kind(found["kind"])]
    box(f"**{found['kind'].capitalize()}.** {wording.as_markdown(found['sentence'])}", icon=icon)
    if basis:
        st.caption(wording.as_markdown(basis))


def show_figures(found: Mapping[str, Any], sides: Sequence[str] = SIDES) -> None:
    """The metrics of both `sides` beside each other, and what the verdict rests on."""
    if found["metrics"]:
        ui.table(views.comparison(found, sides))
        st.caption(evidence.paragraph(found))


def show_flips(found: Mapping[str, Any], name: str, sides: Sequence[str] = SIDES) -> None:
    """What both decide differently: kind by kind, and the examples themselves, with the texts of the model `name`."""
    cells = flips.matrix(found)
    if not len(cells):
        return
    st.header("Decisions that changed", anchor=False)
    st.caption(flips.legend(sides))
    labels = sorted({each[side] for each in found["flipped"] for side in ("true", "first", "second")})
    matrix = flip_chart.difference_matrix(cells, labels)
    st.altair_chart(matrix, width="stretch", key="flips", on_select=_choose_flip, alt=flips.in_words(cells))
    chosen = address.select("Show", list(cells["flip"]), "flip", placeholder="All that changed")
    texts = ui.load_texts(name, "test")
    _list(flips.examples(found, texts, chosen), found, chosen, sides)


def _list(examples: pd.DataFrame, found: Mapping[str, Any], chosen: str | None, sides: Sequence[str]) -> None:
    """Examples in boxes, at first a few of them."""
    more = st.session_state.setdefault("more_flips", {})
    shown = more.get(chosen, flips.STEP)
    st.caption(flips.count_in_words(found, len(examples), shown, chosen))
    for row in views.records(examples.head(shown)):
        with st.container(border=True):
            st.markdown(wording.example_text(row))
            st.caption(flips.caption(row, sides))
    if len(examples) > shown and st.button(f"Show {flips.STEP} more", icon=":material/expand_more:", key="more"):
        more[chosen] = shown + flips.STEP
        st.rerun()


def _choose_flip() -> None:
    """Take a click on the matrix over into the URL, which the box and the examples follow."""
    if chosen := flips.clicked(st.session_state["flips"]):
        address.put(flip=chosen)


def show_files(found: Mapping[str, Any]) -> None:
    """A verification's files: in words, then those that are remarkable; all, with their hashes, are folded away."""
    st.header("Files", anchor=False)
    files = views.files(found)
    remarkable = views.remarkable_files(files)
    box, icon = (st.warning, ":material/rule_folder:") if len(remarkable) else (st.success, ":material/inventory:")
    if len(files):
        box(views.files_in_words(found), icon=icon)
    else:
        st.info(views.files_in_words(found), icon=":material/folder_off:")
    if len(remarkable):
        ui.table(remarkable)
    if len(files):
        with st.expander("All files, with their hashes"):
            ui.table(files)


def show_recent(name: str) -> None:
    """The newest revisions of a publication's repo, and where all of them are."""
    st.header("Recent revisions", anchor=False)
    repo, commit = hub.split_name(name)
    found = ui.load_revisions(repo)[:RECENT]
    ui.table(revisions.table(found)[["Commit", "Tags", "Test accuracy", "When", "Title"]])
    if commit not in [each.commit for each in found]:
        st.caption(f"The one that is verified here, {commit and commit[:7]}, is older.")
    if st.button("All revisions, and any two of them compared", type="tertiary", icon=":material/history:"):
        st.switch_page("pages/Revisions.py")
