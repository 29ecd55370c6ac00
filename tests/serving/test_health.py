"""Ready means that inference really works now."""

import asyncio
from pathlib import Path

import httpx
import numpy as np
import pytest

from contract.arrays import Uint8
from contract.errors import EngineError, EngineTimeout, EngineUnavailable
from contract.manifest import Manifest
from serving.engines.local import LocalEngine
from serving.health import FRESH_S, PROBE_TIMEOUT_S, Witness
from serving.settings import Settings
from tests.abuse.engines import HangingEngine
from tests.serving.colours import colour_manifest, draw_photo, encode, publish_colours
from tests.serving.running import running_gateway


class MortalEngine(LocalEngine):
    """The local engine, which can be told to fail."""

    fails: EngineError | None = None
    asked = 0

    async def infer(
        self, model: str, version: int, images: Uint8, *, timeout_s: float | None = None
    ) -> tuple[Uint8, Uint8]:
        """Count, then fail or answer."""
        self.asked += 1
        if self.fails:
            raise self.fails
        return await super().infer(model, version, images)


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """The manifest of the colour network, published."""
    return colour_manifest(publish_colours(tmp_path), version=1, name="box2seg")


def test_real_answers_are_proof_enough(tmp_path: Path, manifest: Manifest) -> None:
    """An engine that just answered is not asked again to prove that it can."""
    engine = MortalEngine()
    witness = Witness(engine)

    async def prove() -> tuple[bool, bool]:
        await witness.load(manifest, tmp_path / "box2seg" / "1")
        await witness.infer("box2seg", 1, np.zeros((1, 64, 96, 3), np.uint8))
        fresh = await witness.prove(manifest)
        await asyncio.sleep(FRESH_S + 0.05)
        return fresh, await witness.prove(manifest)

    assert asyncio.run(prove()) == (True, True)
    assert engine.asked == 2


def test_failure_ends_the_proof_at_once(tmp_path: Path, manifest: Manifest) -> None:
    """One request that the engine failed makes earlier answers worthless."""
    engine = MortalEngine()
    witness = Witness(engine)

    async def prove() -> bool:
        await witness.load(manifest, tmp_path / "box2seg" / "1")
        assert await witness.prove(manifest)
        engine.fails = EngineUnavailable("gone")
        with pytest.raises(EngineUnavailable):
            await witness.infer("box2seg", 1, np.zeros((1, 64, 96, 3), np.uint8))
        return await witness.prove(manifest)

    assert not asyncio.run(prove())


def test_many_probes_at_once_run_the_network_once(tmp_path: Path, manifest: Manifest) -> None:
    """A crowd that asks for readiness is answered by one inference."""
    engine = MortalEngine()
    witness = Witness(engine)

    async def prove() -> list[bool]:
        await witness.load(manifest, tmp_path / "box2seg" / "1")
        return await asyncio.gather(*(witness.prove(manifest) for _ in range(20)))

    assert all(asyncio.run(prove()))
    assert engine.asked == 1


class SlowEngine(MortalEngine):
    """Takes longer for each photo than a probe waits at first."""

    async def infer(
        self, model: str, version: int, images: Uint8, *, timeout_s: float | None = None
    ) -> tuple[Uint8, Uint8]:
        """Sleep, then answer."""
        await asyncio.sleep(PROBE_TIMEOUT_S + 0.3)
        return await super().infer(model, version, images)


def test_a_slow_engine_does_not_hang(tmp_path: Path, manifest: Manifest) -> None:
    """A late answer counts, and from then on the engine is given the time that it needs."""
    witness = Witness(SlowEngine())

    async def prove() -> list[bool]:
        await witness.load(manifest, tmp_path / "box2seg" / "1")
        proofs = [await witness.prove(manifest), await witness.prove(manifest)]
        await asyncio.sleep(FRESH_S + 0.05)
        return [*proofs, await witness.prove(manifest), not witness.is_open]

    assert asyncio.run(prove()) == [False, True, True, True]


def test_a_large_tensor_is_no_hang(tmp_path: Path, manifest: Manifest) -> None:
    """While an engine of 0.5 s an image computes eight at once, and says nothing, it counts as alive."""

    class PerImage(LocalEngine):
        """One question after the other, half a second for each image."""

        turn = asyncio.Lock()

        async def infer(
            self, model: str, version: int, images: Uint8, *, timeout_s: float | None = None
        ) -> tuple[Uint8, Uint8]:
            """Sleep, then answer."""
            async with self.turn:
                await asyncio.sleep(0.5 * len(images))
                return await super().infer(model, version, images, timeout_s=timeout_s)

    async def ask() -> bool:
        witness = Witness(PerImage())
        await witness.load(manifest, tmp_path / "box2seg" / "1")
        await witness.infer("box2seg", 1, np.zeros((1, 64, 96, 3), np.uint8))
        await asyncio.sleep(FRESH_S + 0.05)
        tensor = asyncio.create_task(witness.infer("box2seg", 1, np.zeros((8, 64, 96, 3), np.uint8)))
        await asyncio.sleep(0)
        proved = await witness.prove(manifest)
        await tensor
        return proved

    assert asyncio.run(ask())


def test_a_hang_ends_with_the_first_word(tmp_path: Path, manifest: Manifest) -> None:
    """An engine that says nothing to a probe is not asked by requests, until it answers that probe."""
    engine = HangingEngine()
    witness = Witness(engine)

    async def hang() -> list[bool]:
        await witness.load(manifest, tmp_path / "box2seg" / "1")
        engine.hangs = True
        found = [await witness.prove(manifest), await witness.prove(manifest)]
        await asyncio.sleep(0.05)
        found.append(witness.is_open)
        with pytest.raises(EngineUnavailable, match="hangs"):
            await witness.infer("box2seg", 1, np.zeros((1, 64, 96, 3), np.uint8))
        engine.hangs = False
        return [*found, await witness.prove(manifest), witness.is_open]

    assert asyncio.run(hang()) == [False, False, True, True, False]


FAILURES = {
    503: EngineUnavailable("Triton does not answer now", hint="try again in a moment"),
    504: EngineTimeout("Triton did not answer in time", hint="try again later"),
    500: EngineError("shm name 0xdeadbeef in /tmp/secret"),
}


@pytest.mark.parametrize("status", FAILURES)
def test_engine_failures_have_their_status(tmp_path: Path, status: int) -> None:
    """A silent engine is 503 with Retry-After, a slow one 504, a broken one 500; healed it is 200 again."""
    publish_colours(tmp_path)
    engine = MortalEngine()
    settings = Settings(engine="local", repository=tmp_path)
    with running_gateway(settings, engine) as address, httpx.Client(base_url=address) as client:
        engine.fails = FAILURES[status]
        answer = client.post("/v1/segment", content=encode(draw_photo()))
        assert answer.status_code == answer.json()["status"] == status
        assert ("retry-after" in answer.headers) == (status == 503)
        assert "secret" not in answer.text
        assert client.get("/readyz").status_code == 503
        assert client.get("/livez").status_code == 200
        engine.fails = None
        assert client.post("/v1/segment", content=encode(draw_photo())).status_code == 200
        assert client.get("/readyz").status_code == 200


def test_gateway_without_models_is_not_ready(tmp_path: Path) -> None:
    """An empty repository is 503 with its reason, until a version is published."""
    settings = Settings(engine="local", repository=tmp_path, watch_every_s=0.05)
    with running_gateway(settings, LocalEngine()) as address, httpx.Client(base_url=address) as client:
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()["detail"]) == (503, "no published version is loaded")
        publish_colours(tmp_path)
        for _ in range(1000):
            if client.get("/readyz").status_code == 200:
                break
        assert client.get("/readyz").status_code == 200


def test_bug_is_a_500_without_words(tmp_path: Path) -> None:
    """What nobody foresaw is a problem document too, with the request's id and nothing of the inside."""
    publish_colours(tmp_path)
    engine = MortalEngine()
    engine.fails = RuntimeError("secret")  # type: ignore[assignment]
    settings = Settings(engine="local", repository=tmp_path)
    with running_gateway(settings, engine) as address:
        answer = httpx.post(f"{address}/v1/segment", content=encode(draw_photo()))
    assert answer.status_code == 500
    assert answer.headers["x-request-id"] in answer.json()["instance"]
    assert "secret" not in answer.text
