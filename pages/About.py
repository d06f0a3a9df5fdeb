"""About: the model's card."""

import streamlit as st

from core import ui, views, wording

ui.start("About", "What is this model for, what was it made of, and where does it fail?")

with ui.errors():
    model = ui.pick()
    if model:
        for part, picture, words in views.card_parts(ui.card(model)):
            for text, code, language in views.text_and_code(part):
                st.markdown(text)
                if code:
                    st.code(code, language or None, wrap_lines=True)  # who has no mouse cannot scroll sideways in it
            if picture and (file := ui.picture(model, picture)):
                st.image(str(file), caption=wording.as_markdown(words), alt=words)
