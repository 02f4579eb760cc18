# The RunPod worker. No CUDA base image: Debian's ffmpeg loads the NVIDIA encoder libraries at run time, and the
# host injects them. Bookworm's build asks for the oldest driver, so it starts on the most hosts.
FROM python:3.11-slim-bookworm AS build

WORKDIR /build
COPY scripts/setup scripts/setup
COPY pyproject.toml requirements.lock README.md ./

# The installer, with the version and hashes that the lock has for it.
RUN awk '/^uv==/ {on = 1} on {print} on && !/\\$/ {exit}' requirements.lock > uv.txt \
    && python -m pip install --no-cache-dir --no-deps --require-hashes --requirement uv.txt

# The pinned audiowaveform, by the same script as on a developer's machine.
RUN scripts/setup audiowaveform /opt/audiowaveform

# What the worker imports, not the developers' tools: requirements from pyproject.toml, versions and hashes from the lock.
RUN python -m venv --without-pip /opt/venv \
    && uv pip install --python /opt/venv --no-cache --no-build --require-hashes --compile-bytecode \
        --requirements pyproject.toml --constraints requirements.lock

# The project itself, last: a change of the code leaves the layers above as they are.
RUN awk '/^[^ ]/ {on = /^(hatchling|packaging|pathspec|pluggy|trove-classifiers)==/} on {print}' \
        requirements.lock > backend.txt \
    && uv pip install --system --no-cache --no-deps --no-build --require-hashes --requirements backend.txt
COPY codex_assets codex_assets
COPY runpod_entry runpod_entry
RUN python -m hatchling build --target wheel \
    && uv pip install --python /opt/venv --no-cache --no-deps --compile-bytecode dist/*.whl


FROM python:3.11-slim-bookworm

RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends ffmpeg \
    && rm -rf /var/lib/apt/lists/*

COPY --from=build /opt/audiowaveform/audiowaveform /usr/local/bin/audiowaveform
COPY --from=build /opt/venv /opt/venv

# `video` makes the host's container toolkit inject the encoder library.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility,video \
    RUNPOD_LOG_LEVEL=INFO

# ffmpeg reads files that strangers made: it gets no more rights than it needs. Scratch space is /tmp.
RUN useradd --create-home --uid 1000 worker
USER worker
WORKDIR /home/worker

# An image in which a tool is missing or does not start must not be published.
RUN codex-assets doctor --tools

CMD ["python", "-u", "-m", "runpod_entry"]
