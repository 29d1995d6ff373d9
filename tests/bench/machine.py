"""What the figures were measured on: the machine, and the versions of everything that took part."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any, Final

from tailrace.local.jars import KAFKA_VERSION
from tailrace.local.postgres import LocalPostgres

REPOSITORY: Final = Path(__file__).parents[2]
_packages: Final = ("aiokafka", "asyncpg", "faust-streaming", "orjson", "starlette", "uvloop")


def describe_machine() -> dict[str, Any]:
    """Processor, cores, memory, and the versions of Python, Postgres, Kafka and the libraries that carry the data."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.release()}",
        "commit": _commit(),
        "versions": {
            "python": platform.python_version(),
            "postgres": _postgres_version(),
            "kafka": KAFKA_VERSION,
            **{name: importlib.metadata.version(name) for name in _packages},
        },
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _postgres_version() -> str:
    server = LocalPostgres(folder=REPOSITORY, port=0).command[0]
    return subprocess.run([server, "--version"], check=True, capture_output=True, text=True).stdout.split()[-1]


def _commit() -> str:
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    return described.stdout.strip() or "unknown"
