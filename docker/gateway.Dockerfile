# The gateway's image: serving, client and cli, without torch and without Triton.
FROM python:3.11.15-slim-bookworm AS build

# The environment has no pip of its own; setuptools leaves it again.
RUN python -m venv --without-pip /venv
WORKDIR /app
COPY requirements/serving.txt requirements/
RUN pip --python /venv/bin/python install --no-cache-dir --require-hashes --only-binary :all: -r requirements/serving.txt
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

# Volumes at /keys and /models take their owner from these folders. Nothing is installed in here any more.
RUN useradd --no-create-home --uid 10001 box2seg \
 && install --directory --owner box2seg --group box2seg --mode 700 /keys \
 && install --directory --owner box2seg --group box2seg /models \
 && pip uninstall --yes wheel setuptools pip
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    BOX2SEG_HOST=0.0.0.0 BOX2SEG_REPOSITORY=/models
WORKDIR /app
COPY docker/health.py /health.py
COPY --from=build /venv /venv
COPY --from=build /app /app

USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["python", "/health.py"]
ENTRYPOINT ["box2seg"]
# Refused as it stands: whoever runs it gives BOX2SEG_KEYS_FILE=/keys/keys.json, or BOX2SEG_OPEN=true.
CMD ["serve"]
