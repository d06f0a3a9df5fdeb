"""Classify: what does the model say of a text, and how sure is it?"""

import streamlit as st

from core import confidence, typed, ui

ui.start("Classify", "What does the model say of your review, and how sure is it?")

with ui.errors():
    if model := ui.pick():
        text, pair, asked = typed.ask(ui.recipe_of(model))
        if text or asked:
            loaded, trust = ui.load_predictor(model.name), ui.load_confidence(model.name)
            temperature = trust.temperature if trust else 1.0
            given = typed.read(model.name, loaded, text, pair, temperature)
            place = st.container()  # above the fold that it depends on
            coverage = typed.choose_coverage(given, trust) if trust else confidence.USUAL
            with place:
                typed.show(given, loaded, trust, coverage)
                typed.why(given, loaded, temperature)
            typed.compare(given)
        else:
            ui.prepare(model.name)
