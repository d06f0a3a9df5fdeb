"""Table of contents of the app: `streamlit run streamlit_app.py`."""

import streamlit as st

st.navigation(
    [
        st.Page("pages/Classify.py", title="Classify", icon=":material/rate_review:", default=True),
        st.Page("pages/Many_reviews.py", title="Many reviews", icon=":material/reviews:"),
        st.Page("pages/Evaluation.py", title="Evaluation", icon=":material/query_stats:"),
        st.Page("pages/Local_vs_Hub.py", title="Local vs Hub", icon=":material/compare_arrows:"),
        st.Page("pages/Revisions.py", title="Revisions", icon=":material/history:"),
        st.Page("pages/Training_runs.py", title="Training runs", icon=":material/timeline:"),
        st.Page("pages/About.py", title="About", icon=":material/article:"),
    ],
    position="top",
).run()
