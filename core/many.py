"""What Many reviews shows: boxes for a file or lines, how far a job is, and what came of it."""

from functools import partial

import streamlit as st

from core import answers, distribution, rows, ui, uploads
from core.bulk import Job
from core.errors import InputError
from core.uploads import Upload

FILE, LINES = "Upload a file", "Paste lines"
_JOB = "job"


def present() -> Job | None:
    """The session's job, running or ended."""
    job: Job | None = st.session_state.get(_JOB)
    return job


def show(job: Job) -> None:
    """How far the job is, for as long as it runs; then what came of it."""
    if job.ended:
        _show_outcome(job)
    else:
        st.fragment(_watch, run_every=1.0)(job)


def ask(model: ui.Model) -> None:
    """Take a file or lines, and begin."""
    recipe = ui.recipe_of(model)
    text, pair = (recipe.data.text, recipe.data.text_pair) if recipe else ("", "")
    upload = _given(pairs=bool(pair))
    chosen = _columns(upload, text, pair) if upload else []
    if ui.main_button("Read them", ":material/arrow_forward:"):
        if upload is None:
            raise InputError("There is nothing to read yet: choose a file, or paste a few lines.")
        with st.spinner("Reading the rows"):
            reviews = upload.read(*chosen)
        if old := present():
            old.cancel()
        trust = ui.load_confidence(model.name)
        loaded = ui.load_predictor(model.name)
        st.session_state[_JOB] = Job(model.name, loaded, reviews, trust.temperature if trust else 1.0)
        st.rerun()


def _chart(job: Job) -> None:
    """How many reviews have which label."""
    labels = answers.counts(job)
    st.altair_chart(distribution.by_label(labels), width="stretch", alt=answers.counts_in_words(labels))


def _watch(job: Job) -> None:
    """How far a job is; looked at again and again, which keeps it going."""
    job.look()
    if job.ended:
        st.rerun()
    st.progress(job.done / len(job.reviews), text=answers.progress(job))
    st.button("Cancel", icon=":material/stop:", on_click=job.cancel, help="What has been read so far stays.")
    if job.done:
        _chart(job)


def _show_outcome(job: Job) -> None:
    """The answer, what was left out, and the reviews one by one."""
    if job.done:
        st.header(answers.headline(answers.counts(job)), anchor=False)
        _chart(job)
    st.caption(answers.outcome(job))
    if bad := job.reviews.bad:
        st.warning(answers.left_out(bad), icon=":material/report:")
        with st.expander("Rows left out, and why"):
            st.dataframe(answers.bad_rows(bad), hide_index=True, width="stretch")
    if job.done:
        _one_by_one(job)
    if job.error:
        with ui.errors():
            raise job.error


def _one_by_one(job: Job) -> None:
    """The table, how sure the model is, and the files."""
    found = answers.table(job)
    sure = st.column_config.ProgressColumn(format="%.1f%%", max_value=100, width=120, help=answers.CONFIDENCE_MEANS)
    st.dataframe(answers.shown(found), hide_index=True, width="stretch", column_config={"Confidence": sure})
    with st.container(horizontal=True):
        for kind, write in (("CSV", answers.to_csv), ("Parquet", answers.to_parquet)):
            name, data = f"reviews.{kind.lower()}", partial(write, found)
            st.download_button(f"Download {kind}", data, name, icon=":material/download:", on_click="ignore")
    with st.expander("How sure the model is"):
        bins = answers.confidences(job)
        st.altair_chart(distribution.by_confidence(bins, len(job.labels)), alt=answers.confidences_in_words(job))


def _given(pairs: bool) -> Upload | None:
    """What the reader uploads or pastes."""
    way = st.segmented_control("Your reviews", [FILE, LINES], default=FILE, key="from", bind="query-params")
    if way == LINES:
        hint = "Both texts of a review on one line, a tab between them" if pairs else "One review a line"
        lines = st.text_area("Lines", key="lines", height=200, placeholder=hint, persist_state="session")
        return uploads.of_lines(lines, pairs) if lines.strip() else None
    file = st.file_uploader("CSV, Parquet or JSON lines", rows.FILES, key="file", help=uploads.LIMITS)
    return uploads.of_file(file.name, file.getvalue()) if file else None


def _columns(upload: Upload, text: str, pair: str) -> list[str]:
    """The column of the texts, and for a model of pairs that of the second texts; at first what is likeliest."""
    if upload.kind not in rows.FILES:
        return [rows.TEXT, rows.PAIR] if pair else [rows.TEXT]
    there = upload.columns()
    likely = uploads.guess(there, [text, *uploads.USUAL])
    chosen = [st.selectbox("Column of the texts", there, likely)]
    if pair:
        likely = uploads.guess(there, [pair], taken=chosen[0])
        chosen.append(st.selectbox("Column of the second texts", there, likely))
    return chosen
