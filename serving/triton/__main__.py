"""Installs the local Triton beforehand: `python -m serving.triton`. A start then writes its log alone."""

import sys

from contract.errors import TritonUnavailable
from serving.triton.environment import install_environment
from serving.triton.runtime import assemble_runtime


def main() -> int:
    """Install; gives 1, with the reason on standard error, where this machine cannot run it."""
    try:
        assemble_runtime(install_environment())
    except TritonUnavailable as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 (a command's words)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
