# The RunPod worker. No CUDA base image: Debian's ffmpeg loads the NVIDIA encoder libraries at run time, and the
# host injects them; trixie's build asks for driver 530.41.03 or newer (docs/RunpodSetup.md).
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

# What the downloads below are checked against: networks with a proxy of their own bring theirs (scripts/image).
ARG CERTIFICATES=/etc/ssl/certs/ca-certificates.crt
ENV PIP_CERT=$CERTIFICATES SSL_CERT_FILE=$CERTIFICATES NODE_EXTRA_CA_CERTS=$CERTIFICATES UV_SYSTEM_CERTS=1

# The installer, with the version and hashes that the lock has for it, and the project's build backend.
RUN awk '/^[^ ]/ {on = /^(uv|hatchling|packaging|pathspec|pluggy|trove-classifiers)==/} on {print}' \
        requirements.lock > build.txt \
    && python3 -m venv /opt/build \
    && /opt/build/bin/python -m pip install --no-cache-dir --no-deps --only-binary :all: --require-hashes \
        --requirement build.txt
ENV PATH=/opt/build/bin:$PATH

# The pinned audiowaveform, by the same script as on a developer's machine.
RUN scripts/setup audiowaveform /opt/audiowaveform

# What the worker imports, not the developers' tools: requirements from pyproject.toml, versions and hashes from the lock.
RUN /usr/bin/python3 -m venv --without-pip /opt/venv \
    && uv pip install --python /opt/venv --no-cache --no-build --require-hashes --compile-bytecode \
        --requirements pyproject.toml --constraints requirements.lock

# The project itself, last: a change of the code leaves the layers above as they are.
COPY codex_assets codex_assets
COPY runpod_entry runpod_entry
RUN python -m hatchling build --target wheel \
    && uv pip install --python /opt/venv --no-cache --no-deps --compile-bytecode dist/*.whl


# What only the tests need, on top of the very packages of the worker.
FROM build AS build-tests
RUN uv pip install --python /opt/venv --no-cache --no-build --require-hashes --requirement requirements.lock


FROM ${BASE} AS worker

# The day of the build (scripts/image): what was built on another day is not taken for the newest that Debian has.
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

# ffmpeg reads files that strangers made: it gets no more rights than it needs. Scratch space is /tmp. The home and
# working directory is root's: what a library looks for there (modules, ~/.aws, ~/.runpod, .netrc) nobody can plant.
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

# A process beside the worker, which needs none of the keys.
HEALTHCHECK --interval=5m --timeout=60s --start-period=30s \
    CMD ["/usr/bin/env", "-i", "PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin", "codex-assets", "doctor", "--tools"]

CMD ["python", "-u", "-m", "runpod_entry"]


# `scripts/image test`: the worker with the tests' packages, and what the guide asks of whoever follows it. The
# checkout's files are brought at run time.
FROM worker AS tests
USER root
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends curl
USER worker
COPY --from=build-tests /opt/venv /opt/venv


# The last stage is what a build without a target makes.
FROM worker
