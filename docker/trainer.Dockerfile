# The trainer's image: training, export and cli with torch for CUDA, and the server's engine to judge what comes out.
FROM python:3.11.15-slim-bookworm AS build

# The environment has no pip of its own.
RUN python -m venv --without-pip /venv
WORKDIR /app
COPY requirements/trainer.txt requirements/
RUN pip --python /venv/bin/python install --no-cache-dir --no-compile --require-hashes --only-binary :all: -r requirements/trainer.txt
COPY pyproject.toml README.md LICENSE ./
COPY contract contract
COPY training training
COPY export export
COPY serving serving
COPY client client
COPY cli cli
RUN pip --python /venv/bin/python install --no-cache-dir --no-deps --no-build-isolation --editable . \
 && rm -rf box2seg.egg-info \
 && ln -s /models model_repository \
 && /venv/bin/python -m compileall -q .

FROM python:3.11.15-slim-bookworm

# Volumes take their owner from these folders: runs, cached priors and published versions.
RUN useradd --no-create-home --uid 10001 box2seg \
 && install --directory --owner box2seg --group box2seg /runs /cache /models \
 && pip uninstall --yes wheel setuptools pip
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 XDG_CACHE_HOME=/cache HOME=/tmp
WORKDIR /app
COPY --from=build /venv /venv
COPY --from=build /app /app

USER 10001:10001
HEALTHCHECK NONE
ENTRYPOINT ["box2seg"]
CMD ["train", "--help"]
