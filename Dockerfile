# syntax=docker/dockerfile:1
# docs/containers.md has the build's arguments; containers/check.sh builds and checks the image without a registry.

# Any Debian-like image: what Python it lacks is installed.
ARG BASE=python:3.11-slim
FROM ${BASE} AS python
RUN python3 -c 'import ensurepip, venv' 2> /dev/null \
 || { apt-get update \
   && apt-get install -y --no-install-recommends ca-certificates python3 python3-venv \
   && rm -rf /var/lib/apt/lists/*; }
RUN python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
 || { echo 'Python 3.11 or newer is needed: give another image as BASE.' >&2; exit 1; }
ENV PYTHONNOUSERSITE=1 \
    PYTHONDONTWRITEBYTECODE=1


# A network's weights in torchvision's cache: downloaded, or a file of the build's context, or none.
FROM python AS weights
ARG WEIGHTS=download
ARG WEIGHTS_URL=https://download.pytorch.org/models/alexnet-owt-7be5be79.pth
RUN --mount=type=bind,target=/context \
    python3 /context/containers/weights.py "$WEIGHTS" "$WEIGHTS_URL" /opt/torch/hub/checkpoints


FROM python AS build
# cuda, or cpu: smaller by several GB.
ARG VARIANT=cuda
ARG CPU_INDEX=https://download.pytorch.org/whl/cpu
# More arguments to pip; its configuration file can be given as the secret pip.
ARG PIP_ARGS=""
ENV PATH=/opt/venv/bin:$PATH \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY containers/requirements-cpu.lock containers/requirements-cuda.lock ./
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    case "$VARIANT" in \
      cuda) index= ;; \
      cpu) index="--extra-index-url $CPU_INDEX" ;; \
      *) echo "VARIANT is $VARIANT: give cpu or cuda." >&2; exit 1 ;; \
    esac; \
    python3 -m venv /opt/venv \
 && pip install --no-deps $index $PIP_ARGS -r "requirements-$VARIANT.lock"
COPY setup.cfg pyproject.toml README.md LICENSE ./
COPY bidsapp_synthfmri ./bidsapp_synthfmri
# The lock is all there is: nothing that it lacks is fetched, and what it lacks stops the build.
RUN pip install --no-deps --no-build-isolation --no-index . && pip check


FROM python
ARG VARIANT=cuda
ARG VERSION="0.1.0"
# Recorded in the outputs' dataset_description.json.
ARG TAG="synthfmri:${VERSION}"
ARG REVISION=""
ARG CREATED=""

LABEL org.opencontainers.image.title="synthfmri" \
      org.opencontainers.image.description="BIDS App: encode, synthesise and decode fMRI responses to natural images" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.label-schema.schema-version="1.0" \
      org.label-schema.name="synthfmri" \
      org.label-schema.description="BIDS App: encode, synthesise and decode fMRI responses to natural images" \
      org.label-schema.version="${VERSION}" \
      org.label-schema.vcs-ref="${REVISION}" \
      org.label-schema.build-date="${CREATED}" \
      org.label-schema.docker.cmd="docker run --rm -v BIDS_DIR:/bids:ro -v OUTPUT_DIR:/out synthfmri /bids /out participant"

# A user without an entry in passwd has no name, and a read-only root no place for caches but /tmp.
ENV HOME=/home/synthfmri \
    USER=synthfmri \
    LOGNAME=synthfmri \
    TORCH_HOME=/opt/torch \
    XDG_CACHE_HOME=/tmp/cache \
    MPLCONFIGDIR=/tmp/matplotlib \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    SYNTHFMRI_CONTAINER_TAG=${TAG} \
    PATH=/opt/venv/bin:$PATH

COPY --from=build /opt/venv /opt/venv
COPY --from=weights /opt/torch /opt/torch
COPY run.py /opt/synthfmri/run.py
# Whoever runs it may write there, as long as the root is not read-only.
RUN mkdir -p "$HOME" && chmod 1777 "$HOME" && find "$TORCH_HOME" -type d -exec chmod 1777 {} +

# An image that does not start is not shipped.
RUN --mount=type=bind,source=containers,target=/context \
    python3 /context/smoke.py --version "$VERSION" --variant "$VARIANT"

WORKDIR /tmp
ENTRYPOINT ["python3", "/opt/synthfmri/run.py"]
