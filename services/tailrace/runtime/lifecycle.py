"""The life of an asyncio process: signals become an event, the probes run from the first to the last moment."""

import asyncio
import gc
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

import uvloop

from tailrace.runtime.log import configure_logging, get_logger
from tailrace.runtime.probes import Health, serve_probes
from tailrace.runtime.settings import Settings
from tailrace.runtime.startup import StoppedError

log = get_logger(__name__)

GC_THRESHOLDS: Final = (20_000, 50, 50)


def run_service(
    service: str, settings: Settings, body: Callable[[Settings, Health, asyncio.Event], Awaitable[None]]
) -> int:
    """Run `body` until SIGTERM or SIGINT sets the event it is given; returns the exit code."""
    configure_logging(service, level=settings.process.log_level, log_format=settings.process.log_format)

    async def main() -> None:
        _calm_collector()
        stop = asyncio.Event()
        async with health_of(service, settings) as health:
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, stop.set)
            log.info("service.start")
            with suppress(StoppedError):
                await body(settings, health, stop)
            log.info("service.stop")

    uvloop.run(main())
    return 0


def _calm_collector() -> None:
    """Look for cycles seldom: state is large, long-lived and without any, and looking through it takes a fifth of an assembler's time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


@asynccontextmanager
async def health_of(service: str, settings: Settings) -> AsyncGenerator[Health]:
    """A Health with its probes served."""
    health = Health(service, stall_seconds=settings.process.stall_seconds)
    async with serve_probes(health, host=settings.process.host, port=settings.process.probe_port):
        yield health
