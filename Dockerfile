# The image of both containers in compose.yaml. Built by scripts/start-docker.sh.
# The tag follows the security updates of Python 3.12 and of Debian; where builds must repeat to the byte, put a digest
# behind it (python:3.12-slim@sha256:…) in both stages.
FROM python:3.12-slim AS build
WORKDIR /build
COPY requirements.lock ./
RUN python -m venv --without-pip /opt/konivrer-watch && \
    pip --python /opt/konivrer-watch/bin/python install \
      --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY rules rules
COPY konivrer_watch konivrer_watch
RUN pip --python /opt/konivrer-watch/bin/python install --no-cache-dir --disable-pip-version-check --no-deps .

FROM python:3.12-slim
LABEL org.opencontainers.image.title="konivrer-watch" \
      org.opencontainers.image.description="Watches a Python repository and keeps its verdicts current" \
      org.opencontainers.image.licenses="MIT"
# Debian keeps one version of git at a time: a pinned one would end the build at its next security update.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends git && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/konivrer-watch /opt/konivrer-watch
# The file system is read-only: what pip compiled at build time is there, and nothing is added.
ENV PATH=/opt/konivrer-watch/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 65534:65534
ENTRYPOINT ["konivrer-watch"]
CMD ["--help"]
# Asks the service that watches the working directory; compose.yaml sets that and the interval.
HEALTHCHECK --interval=60s --timeout=15s --start-period=60s CMD ["konivrer-watch", "status"]
