"""What the figures were measured on: the machine, and the versions of everything that took part."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any, Final

from tailrace.local.jars import KAFKA_VERSION
from tests.load.stack import Stack

REPOSITORY: Final = Path(__file__).parents[2]
_packages: Final = ("aiokafka", "asyncpg", "faust-streaming", "orjson", "starlette", "uvloop")


async def describe_machine(stack: Stack) -> dict[str, Any]:
    """Processor, cores, memory, and the versions of Python, Postgres, Kafka and the libraries that carry the data."""
    connection = await stack.connect()
    postgres: str = await connection.fetchval("show server_version")
    await connection.close()
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.release()}",
        "commit": _commit(),
        "versions": {
            "python": platform.python_version(),
            "postgres": postgres,
            "kafka": KAFKA_VERSION,
            **{name: importlib.metadata.version(name) for name in _packages},
        },
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _commit() -> str:
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    return described.stdout.strip() or "unknown"
