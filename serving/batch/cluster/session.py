"""A connection to Ray that says nothing by itself."""

import logging
import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from contract.errors import ClusterError, InvalidParameter
from contract.processors import available_processors

STDERR = 2
KNOCK_S = 10.0
"""A head that is there takes a connection sooner."""

LOCAL, AUTO = "local", "auto"
CLIENT = "ray://"

QUIET = {
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_DATA_LOG_LEVEL": "CRITICAL",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # what is said of tasks that are tried again
}
ALWAYS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing of ours is sent to Ray's makers
    "RAY_ENABLE_AUTO_CONNECT": "0",  # what still runs when the session has ended must not begin another
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # Ray's behaviour to come, which it else remarks on
}


def check_address(address: str) -> None:
    """
    Make sure that an address is one that a batch can be run by.

    Raises:
        InvalidParameter: If it is Ray Client's, through which no data sets are streamed.
    """
    if address.startswith(CLIENT):
        raise InvalidParameter(
            f"--ray {address}: Ray Client does not do for this",
            hint="run the command on a machine of the cluster, such as by `ray job submit`, with --ray auto",
        )


@contextmanager
def ray_session(address: str, *, loud: bool) -> Iterator[None]:
    """
    Be connected to a cluster while inside.

    Args:
        address: Of its head, host:port; "auto" for the one that RAY_ADDRESS names or that runs here; "local"
            for one of this process, on this machine alone.
        loud: Let Ray say what it says by itself.

    Raises:
        ClusterError: If there is none, or it does not let us in.
        ModuleNotFoundError: Without the package ray; it comes with the extra "ray".
    """
    for name, value in (ALWAYS if loud else ALWAYS | QUIET).items():
        os.environ.setdefault(name, value)
    import ray  # reads the environment

    _knock(address)
    level = logging.INFO if loud else logging.CRITICAL
    own: dict[str, Any] = {}
    if address == LOCAL:
        own = {"num_cpus": available_processors(), "include_dashboard": False}
    try:
        with nullcontext() if loud else _muffled():
            ray.init(address=address, logging_level=level, log_to_driver=loud, **own)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise _none_there(address, str(error).strip().partition("\n")[0]) from error
    try:
        with warnings.catch_warnings():
            if not loud:
                warnings.filterwarnings("ignore", module=r"ray\.")
            yield
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Find out at once that nobody answers: Ray would try for minutes."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_S).close()
    except OSError as error:
        raise _none_there(address, error.strerror or str(error)) from error


def _none_there(address: str, words: str) -> ClusterError:
    return ClusterError(
        f"no Ray cluster at {address}: {words}",
        hint="start one with `ray start --head`, or name --ray local for this machine alone",
    )


@contextmanager
def _muffled() -> Iterator[None]:
    """Keep away what Ray's compiled part writes to stderr before it has read how loud it may be."""
    shown = os.dup(STDERR)
    try:
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), STDERR)
            yield
    finally:
        os.dup2(shown, STDERR)
        os.close(shown)
