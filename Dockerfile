# Two images from one file:
#   docker build -t verdict .                        the app, as a Docker Space runs it
#   docker build -t verdict-evaluate --target evaluate .
#
# VERDICT_MODELS=user/name@commit says what the app shows. The evaluation image takes HF_REPO (and HF_TOKEN for a private
# repo), verifies it, and writes verification.json and comparison.md to the folder mounted at /out.

FROM python:3.11-slim AS dependencies
# Where PyTorch's builds without CUDA are; empty to take torch from pip's own index.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
WORKDIR /build
COPY requirements-app.in requirements.txt ./
# The versions are those of requirements.txt. Bytecode is written below, for what the app imports and no more.
RUN python -m venv --without-pip /venv \
 && pip --python /venv/bin/python install --no-cache-dir --no-compile ${TORCH_INDEX:+--extra-index-url $TORCH_INDEX} -r requirements-app.in -c requirements.txt \
 && /venv/bin/python -c "import streamlit.web.cli, streamlit.testing.v1, transformers, torch, sklearn.metrics, scipy.stats, \
statsmodels.stats.api, altair, plotly.graph_objects, pyarrow.parquet, onnxruntime, openvino, typer, rich.console, rich.table, jinja2, pydantic; \
from transformers import AutoTokenizer, BertForSequenceClassification, DistilBertForSequenceClassification" \
 && rm -rf /venv/lib/python3.11/site-packages/torch/include /venv/lib/python3.11/site-packages/torch/share

FROM python:3.11-slim AS base
RUN useradd --create-home --uid 1000 user
COPY --from=dependencies /venv /venv
ENV PATH=/venv/bin:$PATH HOME=/home/user PYTHONUNBUFFERED=1 HF_HOME=/home/user/.cache/huggingface
WORKDIR /home/user/app
USER 1000
COPY --chown=1000:1000 core core

FROM base AS evaluate
COPY --chown=1000:1000 train train
ENV HF_REPO=
ENTRYPOINT ["sh", "-c", "exec python -m train verify \"${HF_REPO:?set HF_REPO to user/name or user/name@commit}\" --output /out"]

FROM base AS app
COPY --chown=1000:1000 .streamlit .streamlit
COPY --chown=1000:1000 pages pages
COPY --chown=1000:1000 streamlit_app.py .
ENV PORT=7860 VERDICT_MODELS=
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
  CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/_stcore/health', timeout=4)"]
CMD ["sh", "-c", "exec streamlit run streamlit_app.py --server.port=$PORT --server.address=0.0.0.0 --server.headless=true"]
