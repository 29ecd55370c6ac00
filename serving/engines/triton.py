"""Runs published versions on a Triton, local or elsewhere, over gRPC."""

import logging
import re
from collections.abc import Awaitable, Collection
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from tritonclient.grpc import InferInput
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from contract.arrays import Uint8
from contract.errors import EngineError, EngineTimeout, EngineUnavailable
from contract.manifest import CONFIDENCE, IMAGE, LABELS, Manifest
from serving.engines import Tally
from serving.engines.config import CONFIG_FILE, config_of
from serving.traces import context_headers

log = logging.getLogger(__name__)

READY_TIMEOUT_S = 1.0
LOAD_TIMEOUT_S = 600.0
"""Long, as a GPU may build an engine for the version; other requests do not wait for it."""

TRIES = 4
"""A load beside another server's may be lost to it: each names all versions that it knows of."""

READY = "READY"

QUEUE_TIMEOUT = "Request timeout expired"
"""Triton's words for a request that it dropped from its queue; its status is that of all other trouble."""

SILENCE = "StatusCode.UNAVAILABLE", "StatusCode.DEADLINE_EXCEEDED", "StatusCode.CANCELLED"
"""Where a call ends so, Triton has not said no."""

NO_CONNECTION = "timed out"
"""gRPC's words where a connection is taken and nothing is said; its status is that of nobody being there."""

CHANNEL = [
    ("grpc.max_send_message_length", -1),  # our own limits stand before it
    ("grpc.max_receive_message_length", -1),
    # A Triton that was restarted is found again at once; gRPC alone would wait up to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 2000),  # this is the time that connecting may take
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.use_local_subchannel_pool", 1),  # else a new client would get the old one's connection
]

DEVICES = {1: "gpu", 2: "cpu"}
"""Triton's numbers for the kinds of an instance group, of those that name a device."""

T = TypeVar("T")


class TritonEngine:
    """
    A client of one Triton; its own words reach the log and never an answer.

    Args:
        url: Host and port of Triton's gRPC.
        timeout_s: How long one answer may take where nobody says [s].
    """

    def __init__(self, url: str, *, timeout_s: float = 10.0) -> None:
        self._url = url
        self._timeout_s = timeout_s
        self._last_words: str | None = None
        self._devices: dict[str, str] = {}
        self._configs: dict[str, Path] = {}

    async def load(self, manifest: Manifest, folder: Path) -> None:
        """Have Triton load a version beside those that it serves; see `Engine`."""
        name, version = manifest.name, manifest.version
        for _ in range(TRIES):
            if await self.ready(name, version):
                self._devices[name] = await self._find_device(name)
                return
            self._configs[name] = folder.parent / CONFIG_FILE
            await self._load(
                name, await self._loaded(name) | {version}, refused=f"version {version} of {name}"
            )
        raise EngineUnavailable(
            f"Triton does not serve {name} version {version} after loading it",
            hint="is its model repository the same folder?",
        )

    async def drop(self, model: str, versions: Collection[int]) -> None:
        """Have Triton serve the others alone; it waits for requests that run. See `Engine`."""
        with suppress(EngineError):  # logged; what was not dropped takes memory, and is asked for by nobody
            left = await self._loaded(model) - set(versions)
            if left:
                await self._load(model, left)
            else:
                await self._answer(self._client.unload_model(model, client_timeout=READY_TIMEOUT_S))

    async def ready(self, model: str, version: int) -> bool:
        """Ask Triton whether it serves a version; see `Engine`."""
        try:
            question = self._client.is_model_ready(model, str(version), client_timeout=READY_TIMEOUT_S)
            return bool(await self._answer(question))
        except EngineTimeout:
            self._leave_connection()
            return False
        except EngineError:
            return False

    async def infer(
        self, model: str, version: int, images: Uint8, *, timeout_s: float | None = None
    ) -> tuple[Uint8, Uint8]:
        """Send the images and wait for the maps; see `Engine`."""
        tensor = InferInput(IMAGE, images.shape, "UINT8")
        tensor.set_data_from_numpy(images)
        limit_s = self._timeout_s if timeout_s is None else timeout_s
        answer: Any = await self._answer(
            self._client.infer(
                model,
                [tensor],
                model_version=str(version),
                headers=context_headers(),
                client_timeout=limit_s,
                timeout=max(1, int(limit_s * 1e6)),  # Triton drops it from its own queue by then [us]
            )
        )
        return answer.as_numpy(LABELS), answer.as_numpy(CONFIDENCE)

    async def tally(self) -> list[Tally]:
        """Ask Triton for its statistics; see `Engine`."""
        question = self._client.get_inference_statistics(client_timeout=READY_TIMEOUT_S)
        try:
            found: Any = await self._answer(question)
        except EngineError:
            return []
        return [
            Tally(each.name, int(each.version), each.inference_count, each.execution_count)
            for each in found.model_stats
        ]

    def device(self, model: str) -> str:
        """Say what Triton said when the model was loaded; see `Engine`."""
        return self._devices.get(model, "unknown")

    async def close(self) -> None:
        """Close the connection."""
        await self._client.close()

    async def _loaded(self, model: str) -> set[int]:
        """Ask which versions of a model can answer; those that others load now may come to nothing."""
        question = self._client.get_model_repository_index(client_timeout=READY_TIMEOUT_S)
        found: Any = await self._answer(question)
        return {int(each.version) for each in found.models if each.name == model and each.state == READY}

    async def _load(self, model: str, versions: set[int], *, refused: str | None = None) -> None:
        """Have Triton serve these versions; those that it does already go on untouched."""
        config = config_of(self._configs[model], versions)
        await self._answer(
            self._client.load_model(model, config=config, client_timeout=LOAD_TIMEOUT_S),
            refused=refused,
        )

    async def _find_device(self, model: str) -> str:
        question = self._client.get_model_config(model, client_timeout=READY_TIMEOUT_S)
        try:
            groups = (await self._answer(question)).config.instance_group
        except EngineError:  # it serves, which is what counts
            return "unknown"
        return "+".join(sorted({DEVICES.get(group.kind, "unknown") for group in groups})) or "unknown"

    def _leave_connection(self) -> None:
        """
        Ask on a new connection from now on, as the one there is may lead nowhere.

        Where a network forgot it, both ends would wait for minutes. Calls on it end by their own time, and
        it is closed with the last of them: closing it now would cancel them.
        """
        self.__dict__.pop("_client", None)

    async def _answer(self, call: Awaitable[T], *, refused: str | None = None) -> T:
        """
        Wait for Triton; what it says of a failure is logged, once until it says something else.

        Args:
            call: To Triton.
            refused: What it was to load; it may answer that it will not, rather than not at all.
        """
        try:
            answer = await call
        except InferenceServerException as error:
            words = f"{error.status()} {error.message()}"
            log.log(logging.DEBUG if words == self._last_words else logging.ERROR, "Triton: %s", words)
            self._last_words = words
            if refused and error.status() not in SILENCE:
                raise _not_loaded(refused, str(error.message())) from None
            raise _ours(error) from None
        self._last_words = None
        return answer

    @cached_property
    def _client(self) -> Any:
        """Made at the first call, as gRPC ties it to the event loop that runs then."""
        return InferenceServerClient(self._url, channel_args=CHANNEL)


def _not_loaded(what: str, words: str) -> EngineUnavailable:
    """Repeat what our own backend says of a network; what others say, with their paths, is in the log."""
    said = re.search(r"config\.pbtxt has .*", words)
    return EngineUnavailable(f"Triton cannot load {what}: {said[0] if said else 'its log says why'}")


def _ours(error: InferenceServerException) -> EngineError:
    words = str(error.message())
    is_silent = error.status() == "StatusCode.UNAVAILABLE" and NO_CONNECTION in words
    if is_silent or error.status() == "StatusCode.DEADLINE_EXCEEDED" or QUEUE_TIMEOUT in words:
        return EngineTimeout("Triton did not answer in time", hint="try again later")
    return EngineUnavailable("Triton does not answer now", hint="try again in a moment")
