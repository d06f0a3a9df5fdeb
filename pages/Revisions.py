"""Revisions: how did the model change from commit to commit?"""

from typing import Any

import streamlit as st

from core import address, agreement, charts, hub, revisions, ui, wording
from core.revisions import Revision

ui.start("Revisions", "How did the model on the Hub change from commit to commit?")


def overview(found: list[Revision]) -> None:
    """Every revision with its tags and scores."""
    over_time = revisions.over_time(found)
    if len(over_time) > 1:
        st.altair_chart(charts.accuracy_over_time(over_time), width="stretch", alt="Test accuracy by revision")
    ui.table(revisions.table(found))


def comparison(repo: str, scored: list[Revision]) -> None:
    """Any two revisions side by side; at first the newest and the one before it."""
    st.header("Compare two", anchor=False)
    titles = {
        each.commit: " · ".join([each.commit[:7], each.title, *(each.tags or [revisions.UNTAGGED])]) for each in scored
    }
    left, right = st.columns(2)
    newest, before = list(titles)[:2]
    show: dict[str, Any] = {"format_func": titles.__getitem__}
    first = address.select("Earlier", list(titles), "earlier", default=before, where=left, **show) or before
    second = address.select("Later", list(titles), "later", default=newest, where=right, **show) or newest
    sides = ("Earlier", "Later")
    verdict = ui.compare_revisions(repo, first, second)
    agreement.show_verdict(verdict)
    agreement.show_figures(verdict, sides)
    agreement.show_flips(verdict, f"{repo}@{second}", sides)


with ui.errors():
    model = ui.pick()
    names = ui.names_on_hub(model) if model else []
    if model and not names:
        st.info(ui.not_published(model.name), icon=":material/cloud_upload:")
    if names:
        repo = hub.split_name(names[0])[0]
        found = ui.load_revisions(repo)
        st.caption(f"Of {wording.as_markdown(repo)}, the newest first")
        overview(found)
        scored = [each for each in found if each.scores is not None]
        if len(scored) > 1:
            comparison(repo, scored)
