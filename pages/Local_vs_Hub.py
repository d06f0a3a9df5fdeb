"""Local vs Hub: is what is on the Hub what was measured?"""

from typing import Any

import streamlit as st

from core import evidence, ui, verify, views, wording
from core.verdict import Kind

ui.start("Local vs Hub", "Is the model on the Hub the one that was measured?")

BANNERS = {
    Kind.IDENTICAL: (st.success, ":material/verified:"),
    Kind.DRIFT: (st.info, ":material/approval:"),
    Kind.DECISIONS_CHANGED: (st.warning, ":material/rule:"),
    Kind.DIFFERENT: (st.error, ":material/gpp_bad:"),
    Kind.UNVERIFIABLE: (st.error, ":material/help:"),
}


def verify_now(name: str) -> None:
    """Verify with a progress bar, and keep the result."""
    bar = st.progress(0.0)
    ui.verifications()[name] = verify.verify(name, bar.progress)
    bar.empty()


def show(found: dict[str, Any]) -> None:
    """The verdict, then its evidence."""
    verdict = found["verdict"]
    box, icon = BANNERS[Kind(verdict["kind"])]
    box(f"**{verdict['kind'].capitalize()}.** {wording.as_markdown(verdict['sentence'])}", icon=icon)
    st.caption(f"Verified {wording.when(found['when'])} against {wording.as_markdown(found['compared_with'])}.")
    if verdict["metrics"]:
        st.dataframe(views.comparison(verdict), hide_index=True, width="stretch", height="content")
        st.caption(evidence.paragraph(verdict))
    if len(flips := views.flips(verdict)):
        st.subheader("Flips", anchor=False)
        st.dataframe(flips, hide_index=True, width="stretch")
    st.subheader("Files", anchor=False)
    st.dataframe(views.files(found), hide_index=True, width="stretch", height="content")


with ui.errors():
    model = ui.pick()
    names = ui.names_on_hub(model) if model else []
    if model and not names:
        st.info(
            f"This run is not on a Hub yet: `python -m train publish {model.name} --repo user/name`",
            icon=":material/cloud_upload:",
        )
    if names:
        name = st.selectbox("Publication", names, key="publication") if len(names) > 1 else names[0]
        st.caption(f"On the Hub: {wording.as_markdown(name)}")
        if st.button("Verify now", type="primary", icon=":material/fact_check:"):
            verify_now(name)
        if found := ui.last_verification(name):
            show(found)
        else:
            st.info(
                "Not verified on this machine yet. Verifying downloads the model afresh, hashes every file "
                "and runs it over the test split.",
                icon=":material/hourglass_empty:",
            )
