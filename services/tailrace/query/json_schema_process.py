"""A process of its own that checks values against JSON Schemas: frames of JSON in on stdin, frames out on stdout, and it ends with its stdin.

A schema is a program that a project writes: one of a few lines can take hours, or all memory. Here it can only end this process, which its
parent starts anew. It takes nothing from the network.

A frame is 4 bytes of length, then JSON. Asked `{"schema": …, "values": […]}`, it answers `{"schema_fault": text}`, or `{"fault": null}`, or
`{"fault": {"at": index, "path": […], "message": text}}` for the first value that does not fit.
"""

import resource
import signal
import sys
from functools import lru_cache
from typing import Any, BinaryIO, Final

import jsonschema_rs
import orjson

CPU_SECONDS: Final = 2.0
"""What one frame may take; the process ends by SIGPROF then."""

MAX_MEMORY_BYTES: Final = 1024**3
MAX_PROGRAM_BYTES: Final = 1024**2
MAX_MESSAGE_CHARACTERS: Final = 300


def check(schema: bytes, values: list[Any]) -> dict[str, Any]:
    """The answer to one frame."""
    try:
        validator = _compile(schema)
    except (ValueError, RecursionError, jsonschema_rs.ReferencingError) as error:
        return {"schema_fault": _shown(error)}
    for at, value in enumerate(values):
        for error in validator.iter_errors(value):
            return {"fault": {"at": at, "path": list(error.instance_path), "message": _shown(error)}}
    return {"fault": None}


def serve(asked: BinaryIO, answers: BinaryIO) -> None:
    """Answer frames until there are no more."""
    while len(size := asked.read(4)) == 4:
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
        frame = orjson.loads(asked.read(int.from_bytes(size, "big")))
        answer = orjson.dumps(check(orjson.dumps(frame["schema"]), frame["values"]))
        signal.setitimer(signal.ITIMER_PROF, 0)
        answers.write(len(answer).to_bytes(4, "big") + answer)
        answers.flush()


@lru_cache(maxsize=64)
def _compile(schema: bytes) -> Any:
    """Patterns run in linear time; references lead nowhere but into the schema."""
    return jsonschema_rs.validator_for(
        orjson.loads(schema), offline=True, pattern_options=jsonschema_rs.RegexOptions(size_limit=MAX_PROGRAM_BYTES)
    )


def _shown(error: Exception) -> str:
    message = str(getattr(error, "message", error)).partition("\n")[0]
    return message if len(message) <= MAX_MESSAGE_CHARACTERS else f"{message[:MAX_MESSAGE_CHARACTERS]}…"


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    serve(sys.stdin.buffer, sys.stdout.buffer)
