"""Classify: what does the model say of a text, and how sure is it?"""

import streamlit as st

from core import charts, reading, ui, views, wording

ui.start("Classify", "What does the model say of your review, and how sure is it?")


def show(found: reading.Reading, labels: tuple[str, ...]) -> None:
    """The answer first, then the bars, then how it was reached."""
    bars = views.bars(found.probabilities, labels)
    st.header(wording.as_markdown(bars["label"][0]), anchor=False, divider=False)
    st.altair_chart(charts.confidence_bars(bars), width="stretch", alt=wording.bars_in_words(bars))
    for warning in wording.warnings(found):
        st.warning(warning, icon=":material/warning:")
    st.caption(f"{found.n_read:,} of {found.n_tokens:,} tokens read in {found.seconds * 1000:.0f} ms")


def try_example() -> None:
    """Put the example that was clicked into the box."""
    st.session_state["text"] = st.session_state.pop("example") or ""


with ui.errors():
    model = ui.pick()
    if model:
        recipe = ui.recipe_of(model)
        text = st.text_area("Your review", key="text", height=150, placeholder="Type or paste a review")
        pair = st.text_area("Second text", key="pair", height=150) if recipe and recipe.data.text_pair else None
        asked = st.button("Classify", type="primary", icon=":material/arrow_forward:")
        if recipe and recipe.publish.examples:
            examples = recipe.publish.examples
            st.pills("Or try one of these", examples, key="example", on_change=try_example, format_func=wording.as_line)
        if text or asked:
            loaded = ui.load_predictor(model.name)
            show(reading.read(loaded, text, pair), loaded.labels)
