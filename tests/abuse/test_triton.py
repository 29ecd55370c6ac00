"""C3 with the real Triton: what is too late or given up is dropped in its queue, and never run."""

import asyncio
import re
import time

import httpx
import numpy as np
import pytest

from contract.errors import EngineTimeout
from serving.engines.triton import TritonEngine
from serving.triton.server import TritonServer

pytestmark = pytest.mark.triton

LARGE = np.zeros((1, 1536, 1536, 3), np.uint8)
SMALL = np.zeros((1, 64, 96, 3), np.uint8)


def counted(server: TritonServer) -> dict[str, float]:
    """Read how many requests Triton ran, and how many failed by reason."""
    text = httpx.get(server.metrics_url, timeout=30.0).text
    ran = re.findall(r'^nv_inference_count\{model="box2seg".*\} (\S+)$', text, re.MULTILINE)
    failed = re.findall(
        r'^nv_inference_request_failure\{model="box2seg",reason="(\w+)".*\} (\S+)$', text, re.MULTILINE
    )
    return {"ran": sum(map(float, ran))} | {reason: float(number) for reason, number in failed}


def test_c3_late_and_abandoned_requests_are_dropped_in_tritons_queue(triton_server: TritonServer) -> None:
    """C3, C4: behind ten long photos, one with the time of three and five whose clients left are not run."""

    async def ask() -> None:
        engine = TritonEngine(triton_server.grpc_url)
        await engine.infer("box2seg", 1, LARGE, timeout_s=60.0)  # compiled now
        begin = time.monotonic()
        await engine.infer("box2seg", 1, LARGE, timeout_s=60.0)
        long_s = time.monotonic() - begin
        long = [asyncio.create_task(engine.infer("box2seg", 1, LARGE, timeout_s=60.0)) for _ in range(10)]
        await asyncio.sleep(long_s / 2)
        leaving = [asyncio.create_task(engine.infer("box2seg", 1, SMALL, timeout_s=60.0)) for _ in range(5)]
        with pytest.raises(EngineTimeout):
            await engine.infer("box2seg", 1, SMALL, timeout_s=3 * long_s)
        for each in leaving:
            each.cancel()
        await asyncio.gather(*long)
        await engine.infer("box2seg", 1, SMALL, timeout_s=60.0)  # behind all of them
        await engine.close()

    before = counted(triton_server)
    asyncio.run(ask())
    after = counted(triton_server)
    assert after["ran"] - before["ran"] == 13
    dropped = sum(after[reason] - before[reason] for reason in ("REJECTED", "CANCELED"))
    assert dropped == 6, (before, after)
