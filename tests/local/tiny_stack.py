"""`tailrace up` with a real Kafka and PostgreSQL, and tiny services in the place of tailrace's.

`python tiny_stack.py [--detach] [broken]`; what is no option of `up` is passed to the services.
"""

import argparse
import os
import sys
from pathlib import Path

import msgspec

from tailrace.local import up
from tailrace.local.child import Program
from tailrace.local.datadir import DataDir
from tailrace.local.services import service_programs
from tailrace.local.stack import Parts
from tailrace.runtime.settings import Settings, load_settings

SERVICES = ("assembler", "sink")


def main() -> int:
    parser = argparse.ArgumentParser()
    up.add_arguments(parser)
    arguments, for_services = parser.parse_known_args()

    def tiny_services(settings: Settings, data: DataDir) -> list[Program]:
        script = str(Path(__file__).with_name("tiny_service.py"))
        return [
            msgspec.structs.replace(program, command=[sys.executable, script, program.name, *for_services])
            for program in service_programs(settings, data, SERVICES)
        ]

    parts = Parts(services=tiny_services, service_names=SERVICES, command=(sys.executable, __file__, *for_services))
    return up.run(arguments, load_settings(os.environ), parts)


if __name__ == "__main__":
    sys.exit(main())
