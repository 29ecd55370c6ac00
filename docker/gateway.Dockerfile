# The gateway's image: contract, serving and cli, without torch and without Triton.
FROM python:3.11-slim

# A volume at /keys is made after this folder, so that the gateway may write its keys there.
RUN useradd --create-home --uid 10001 box2seg && install --directory --owner box2seg --mode 700 /keys
WORKDIR /app
COPY requirements requirements
RUN pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements/serving.txt
COPY pyproject.toml README.md LICENSE ./
COPY contract contract
COPY serving serving
COPY cli cli
RUN pip install --no-cache-dir --no-deps --no-build-isolation --editable .

USER box2seg
EXPOSE 8000
HEALTHCHECK --interval=5s --timeout=2s --start-period=60s CMD \
  ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/livez', timeout=2)"]
ENTRYPOINT ["box2seg"]
# Refused as it stands: whoever runs it gives BOX2SEG_KEYS_FILE=/keys/keys.json, or says --open.
CMD ["serve", "--host", "0.0.0.0", "--repository", "/models"]
