"""About: the model's card."""

import streamlit as st

from core import ui, views, wording

ui.start("About", "What is this model for, what was it made of, and where does it fail?")

with ui.errors():
    model = ui.pick()
    if model:
        for part, picture, words in views.card_parts(ui.card(model)):
            st.markdown(part)
            if picture and (file := ui.picture(model, picture)):
                st.image(str(file), caption=wording.as_markdown(words))
