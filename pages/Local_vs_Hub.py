"""Local vs Hub: is what is on the Hub what was measured?"""

import streamlit as st

from core import address, agreement, ui, verify, wording

ui.start("Local vs Hub", "Is the model on the Hub the one that was measured?")

NOT_YET = (
    "Not verified on this machine yet. Verifying downloads the model afresh, hashes every file "
    "and runs it over the test split."
)


def verify_now(name: str) -> None:
    """Verify with a progress bar, and keep the result."""
    bar = st.progress(0.0)
    with ui.errors():
        ui.verifications()[name] = verify.verify(name, bar.progress)
    bar.empty()


def show(name: str, texts_of: str) -> None:
    """The verdict, a button that makes it anew, and the evidence."""
    answer = st.container()
    st.caption(f"On the Hub: {wording.as_markdown(name)}")
    if ui.main_button("Verify now", ":material/fact_check:"):
        verify_now(name)
    found = ui.last_verification(name)
    if found is None:
        answer.info(NOT_YET, icon=":material/hourglass_empty:")
    else:
        basis = f"Verified {wording.when(found['when'])} against {found['compared_with']}."
        with answer:
            agreement.show_verdict(found["verdict"], f"{basis} {found.get('signature', '')}".strip())
        agreement.show_figures(found["verdict"])
        with ui.errors():
            agreement.show_flips(found["verdict"], texts_of)
        agreement.show_files(found)
    with ui.errors():
        agreement.show_recent(name)


with ui.errors():
    model = ui.pick()
    names = ui.names_on_hub(model) if model else []
    if model and not names:
        st.info(ui.not_published(model.name), icon=":material/cloud_upload:")
    if model and names:
        chosen = address.select("Publication", names, "publication", default=names[0]) if names[1:] else ""
        show(chosen or names[0], model.name)
