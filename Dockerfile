# The image of bids_brainage. docs/container.md says how to build and to run it, and what it is made of.
#
#   docker build --build-arg VERSION=0.1.0 --build-arg REVISION=$(git rev-parse HEAD) -t bids_brainage .
#
# PACKAGES=requirements-gpu.txt makes the image that trains on NVIDIA's GPUs.
ARG PACKAGES=requirements.txt

FROM debian:bookworm-slim AS python
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3 libgomp1 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/* /var/log/* /usr/share/doc/* /usr/share/man/* \
    # Where work goes without --work-dir, whoever the user is.
    && install -d -m 1777 /work

FROM python AS tools
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && python3 -m venv /opt/bids_brainage
ENV PATH=/opt/bids_brainage/bin:$PATH PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1

FROM tools AS downloads
ARG PACKAGES
COPY container/$PACKAGES /downloads/requirements.txt
RUN pip download --quiet --no-deps --require-hashes --no-build-isolation -d /downloads -r /downloads/requirements.txt

FROM tools AS packages
COPY --from=downloads /downloads /downloads
COPY container/install /install
RUN /install /downloads/requirements.txt /downloads

FROM packages AS program
COPY . /source
RUN pip install --quiet --no-deps --no-build-isolation --no-index /source \
    && pip uninstall --quiet --yes wheel pip
RUN python /source/container/fill_caches.py x86-64-v3 /opt/bids_brainage/caches \
    && python /source/container/fill_caches.py x86-64-v4 /opt/bids_brainage/caches

FROM python
ENV PATH=/opt/bids_brainage/bin:$PATH \
    LANG=C.UTF-8 \
    # Nothing from the user's home or from the folder of the start is executed.
    PYTHONNOUSERSITE=1 \
    PYTHONSAFEPATH=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    BIDS_BRAINAGE_CACHES=/opt/bids_brainage/caches \
    MPLBACKEND=Agg \
    TF_ENABLE_ONEDNN_OPTS=1 \
    # The main process; worker processes get those of --omp-nthreads.
    OMP_NUM_THREADS=1 \
    OPENBLAS_NUM_THREADS=1 \
    MKL_NUM_THREADS=1
COPY --from=program /opt/bids_brainage /opt/bids_brainage
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="bids_brainage" \
      org.opencontainers.image.description="Brain age from T1w, FLAIR and SWI, explained voxel by voxel: a BIDS-App" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.licenses="Apache-2.0"
ENTRYPOINT ["/opt/bids_brainage/bin/bids_brainage"]
