"""Local vs Hub: is what is on the Hub what was measured?"""

from typing import Any

import streamlit as st

from core import ui, verify, views, wording

ui.start("Local vs Hub", "Is the model on the Hub the one that was measured?")


def verify_now(name: str) -> None:
    """Verify with a progress bar, and keep the result."""
    bar = st.progress(0.0)
    ui.verifications()[name] = verify.verify(name, bar.progress)
    bar.empty()


def show(found: dict[str, Any]) -> None:
    """The verdict with its evidence, then the files."""
    basis = f"Verified {wording.when(found['when'])} against {found['compared_with']}."
    ui.show_verdict(found["verdict"], basis=f"{basis} {found.get('signature', '')}".strip())
    st.subheader("Files", anchor=False)
    st.dataframe(views.files(found), hide_index=True, width="stretch", height="content")


with ui.errors():
    model = ui.pick()
    names = ui.names_on_hub(model) if model else []
    if model and not names:
        st.info(ui.not_published(model.name), icon=":material/cloud_upload:")
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
