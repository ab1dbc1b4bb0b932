# syntax=docker/dockerfile:1
# Any Debian-like image with Python 3.11 or newer and its venv module.
ARG BASE=python:3.11-slim
FROM ${BASE}

LABEL org.opencontainers.image.title="synthfmri" \
      org.opencontainers.image.description="BIDS App: encode, synthesise and decode fMRI responses to natural images" \
      org.opencontainers.image.licenses="Apache-2.0"

# Extra arguments to pip, such as an index of CPU-only torch builds.
ARG PIP_ARGS=""
# Recorded in the outputs' dataset_description.json.
ARG TAG="synthfmri:0.1.0"

ENV PYTHONNOUSERSITE=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    HOME=/home/synthfmri \
    TORCH_HOME=/opt/torch \
    MPLCONFIGDIR=/tmp/matplotlib \
    SYNTHFMRI_CONTAINER_TAG=${TAG} \
    PATH=/opt/venv/bin:$PATH

WORKDIR /opt/synthfmri
COPY setup.cfg pyproject.toml README.md LICENSE run.py ./
COPY bidsapp_synthfmri ./bidsapp_synthfmri
# Run as any user: home and torch's cache are open to all, and the program itself is readable.
RUN python3 -m venv /opt/venv \
 && pip install --disable-pip-version-check ${PIP_ARGS} '.[fast]' \
 && mkdir -p "$HOME" "$TORCH_HOME" \
 && chmod 777 "$HOME" "$TORCH_HOME"

# The command must start on this image before it is shipped.
RUN python /opt/synthfmri/run.py --version

ENTRYPOINT ["python", "/opt/synthfmri/run.py"]
