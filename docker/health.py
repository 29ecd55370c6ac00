"""What an image's health check runs: asks the server in this container whether it lives."""

import os
import urllib.request

PORTS = "BOX2SEG_PORT", "AIP_HTTP_PORT", "SAGEMAKER_BIND_TO_PORT"
"""As serving/settings.py reads them, which takes longer to import than this to run."""

port = next((os.environ[name] for name in PORTS if os.environ.get(name)), "8000")
urllib.request.urlopen(f"http://127.0.0.1:{port}/livez", timeout=2)
