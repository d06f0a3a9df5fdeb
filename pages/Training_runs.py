"""Training runs: how was the model made, what did it cost, and how far is the one in progress?"""

import streamlit as st

from core import runs, training, ui, views

ui.start("Training runs", "How was the model made, and what did it cost?")

every = runs.every()
if st.query_params.get("live") in [run.name for run in every if run.complete]:  # it was watched until it was
    ui.choose(st.query_params.pop("live"))
model = None
with ui.errors():
    model = ui.pick()
watched = training.pick_unfinished([run for run in every if not run.complete])
if watched:
    training.in_progress(watched)
elif model:
    training.finished(model.name)
if every:
    st.header("Runs on this machine", anchor=False)
    st.caption("The newest first")
    ui.table(views.runs_table(every))
