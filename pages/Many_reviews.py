"""Many reviews: what does the model say of each, and of all together?"""

import streamlit as st

from core import many, ui

ui.start("Many reviews", "What does the model say of many reviews, and how sure is it of each?")

with ui.errors():
    model = ui.pick()
    if job := many.present():
        many.show(job)
    if model:
        with st.expander("Read other reviews") if job else st.container():
            many.ask(model)
