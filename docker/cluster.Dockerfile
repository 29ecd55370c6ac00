# The image of a Ray cluster's machines, head and workers alike: batches on CPUs, with Ray's own command for KubeRay.
FROM python:3.11.15-slim-bookworm AS build

# The environment has no pip of its own; setuptools leaves it again.
RUN python -m venv --without-pip /venv
WORKDIR /app
COPY requirements/cluster.txt requirements/
RUN pip --python /venv/bin/python install --no-cache-dir --require-hashes --only-binary :all: -r requirements/cluster.txt
COPY pyproject.toml README.md LICENSE ./
COPY contract contract
COPY serving serving
COPY client client
COPY cli cli
RUN pip --python /venv/bin/python install --no-cache-dir --no-deps --no-build-isolation --editable . \
 && pip --python /venv/bin/python uninstall --yes setuptools \
 && rm -rf box2seg.egg-info \
 && /venv/bin/python -m compileall -q .

FROM python:3.11.15-slim-bookworm

# A volume at /models takes its owner from this folder.
RUN useradd --no-create-home --uid 10001 box2seg \
 && install --directory --owner box2seg --group box2seg /models \
 && pip uninstall --yes wheel setuptools pip
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp RAY_USAGE_STATS_ENABLED=0
WORKDIR /app
COPY --from=build /venv /venv
COPY --from=build /app /app

USER 10001:10001
HEALTHCHECK NONE
# KubeRay puts `ray start` in its place.
CMD ["box2seg", "predict", "--help"]
