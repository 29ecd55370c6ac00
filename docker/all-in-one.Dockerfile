# Gateway, Triton for CPUs and the shipped model in one image, for x86-64: for SageMaker, Vertex AI, KServe and trying out.
FROM python:3.11.15-slim-bookworm AS build

# The environments have no pip of their own; setuptools leaves again.
RUN python -m venv --without-pip /venv
WORKDIR /app
COPY requirements/serving.txt requirements/triton.txt requirements/
RUN pip --python /venv/bin/python install --no-cache-dir --require-hashes --only-binary :all: -r requirements/serving.txt
COPY pyproject.toml README.md LICENSE ./
COPY contract contract
COPY serving serving
# Triton gets an environment of its own, /app/.venv-triton, complete: a root that is read-only takes no more. Only
# its log is written, in /tmp.
RUN /venv/bin/python -m serving.triton \
 && .venv-triton/bin/python -m pip uninstall --yes setuptools pip \
 && ln -s /tmp/triton.log .venv-triton/triton.log
COPY client client
COPY cli cli
RUN pip --python /venv/bin/python install --no-cache-dir --no-deps --no-build-isolation --editable . \
 && pip --python /venv/bin/python uninstall --yes setuptools \
 && rm -rf box2seg.egg-info \
 && /venv/bin/python -m compileall -q contract serving client cli

FROM python:3.11.15-slim-bookworm

# SageMaker says the port in a variable to images that bear this label.
LABEL com.amazonaws.sagemaker.capabilities.accept-bind-to-port=true
RUN useradd --no-create-home --uid 10001 box2seg \
 && install --directory --owner box2seg --group box2seg --mode 700 /keys \
 && pip uninstall --yes wheel setuptools pip
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    BOX2SEG_HOST=0.0.0.0 BOX2SEG_REPOSITORY=/models
WORKDIR /app
COPY docker/health.py /health.py
COPY --from=build /venv /venv
COPY --from=build /app/.venv-triton /app/.venv-triton
COPY --from=build /app/requirements /app/requirements
COPY --chown=10001:10001 model_repository /models
COPY --from=build /app/pyproject.toml /app/LICENSE /app/
COPY --from=build /app/contract /app/contract
COPY --from=build /app/serving /app/serving
COPY --from=build /app/client /app/client
COPY --from=build /app/cli /app/cli

USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s CMD ["python", "/health.py"]
ENTRYPOINT ["box2seg"]
# Refused as it stands: whoever runs it gives BOX2SEG_KEYS_FILE=/keys/keys.json, or BOX2SEG_OPEN=true.
CMD ["serve"]
