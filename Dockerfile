# The RunPod worker. It needs no CUDA base image: Debian's ffmpeg loads the NVIDIA encoder libraries at run time, and
# the host injects them; trixie's build requires driver 530.41.03 or newer (docs/RunpodSetup.md).
#
#   make image                                with docker or buildah
#   make image BASE=localhost/debian:trixie on any minimal Debian 13, such as one that `scripts/image base` makes
ARG BASE=debian:trixie-slim

FROM ${BASE} AS build

RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends ca-certificates python3 python3-venv

WORKDIR /build
COPY scripts/setup scripts/setup
COPY pyproject.toml requirements.lock README.md ./

# The CA certificates for the downloads below; a network with its own proxy passes its own (scripts/image).
ARG CERTIFICATES=/etc/ssl/certs/ca-certificates.crt
ENV PIP_CERT=$CERTIFICATES SSL_CERT_FILE=$CERTIFICATES NODE_EXTRA_CA_CERTS=$CERTIFICATES UV_SYSTEM_CERTS=1

# The installer and the project's build backend, with the versions and hashes of the lock.
RUN awk '/^[^ ]/ {on = /^(uv|hatchling|packaging|pathspec|pluggy|trove-classifiers)==/} on {print}' \
        requirements.lock > build.txt \
    && python3 -m venv /opt/build \
    && /opt/build/bin/python -m pip install --no-cache-dir --no-deps --only-binary :all: --require-hashes \
        --requirement build.txt
ENV PATH=/opt/build/bin:$PATH

# The pinned audiowaveform, by the same script as on a developer's machine.
RUN scripts/setup audiowaveform /opt/audiowaveform

# The worker's packages without the developers' tools: names from pyproject.toml, versions and hashes from the lock.
RUN /usr/bin/python3 -m venv --without-pip /opt/venv \
    && uv pip install --python /opt/venv --no-cache --no-build --require-hashes --compile-bytecode \
        --requirements pyproject.toml --constraints requirements.lock

# The project itself comes last, so that a change of the code does not rebuild the layers above.
COPY codex_assets codex_assets
COPY runpod_entry runpod_entry
RUN python -m hatchling build --target wheel \
    && uv pip install --python /opt/venv --no-cache --no-deps --compile-bytecode dist/*.whl


# The packages that only the tests need, on top of the worker's.
FROM build AS build-tests
RUN uv pip install --python /opt/venv --no-cache --no-build --require-hashes --requirement requirements.lock


FROM ${BASE} AS worker

# The day of the build (scripts/image), so that a layer of another day does not count as up to date.
ARG UPDATES_OF=unknown
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends ca-certificates ffmpeg python3 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log

COPY --from=build /opt/audiowaveform/audiowaveform /usr/local/bin/audiowaveform
COPY --from=build /opt/venv /opt/venv
COPY docs/licences.md /usr/share/doc/codex-assets/licences.md

# `video` makes the host's container toolkit inject the encoder library.
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin \
    PYTHONUNBUFFERED=1 \
    PYTHONSAFEPATH=1 \
    PYTHONNOUSERSITE=1 \
    XDG_CACHE_HOME=/tmp/cache \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility,video \
    RUNPOD_LOG_LEVEL=INFO

# ffmpeg reads files from strangers, so it gets no more rights than it needs. Scratch space is /tmp. Root owns the home
# and working directory, so that nobody can plant what a library looks for there (modules, ~/.aws, ~/.runpod, .netrc).
RUN mkdir /srv/worker && useradd --no-create-home --home-dir /srv/worker --uid 1000 worker
USER worker
WORKDIR /srv/worker

ARG REVISION=unknown
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="codex-assets" \
      org.opencontainers.image.description="One upload becomes everything that is streamed: a RunPod worker." \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="debian:trixie-slim"

# An image in which a tool is missing or does not start must not be published.
RUN codex-assets doctor --tools

# It runs beside the worker, without any of the keys.
HEALTHCHECK --interval=5m --timeout=60s --start-period=30s \
    CMD ["/usr/bin/env", "-i", "PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin", "codex-assets", "doctor", "--tools"]

CMD ["python", "-u", "-m", "runpod_entry"]


# `scripts/image test` uses this stage: the worker with the tests' packages, and the tools that the guide requires. The
# checkout's files are mounted at run time.
FROM worker AS tests
USER root
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends curl
USER worker
COPY --from=build-tests /opt/venv /opt/venv


# A build without a target makes the last stage.
FROM worker
