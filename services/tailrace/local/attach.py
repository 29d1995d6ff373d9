"""Operator commands on this machine's stack: where settings name no Kafka or Postgres, those of the running `tailrace up` are taken."""

import msgspec

from tailrace.local import processes
from tailrace.local.datadir import DataDir
from tailrace.local.postgres import LocalPostgres
from tailrace.local.state import StackRecord, read_record
from tailrace.runtime.settings import Secret, Settings


def attach(settings: Settings) -> Settings:
    """The settings, completed from the stack in `stack.data_dir`; as they are when none runs there."""
    data = DataDir.at(settings.stack.data_dir)
    record = read_record(data.processes)
    if record is None or not processes.is_alive(record.supervisor):
        return settings
    kafka, postgres = settings.kafka, settings.postgres
    kafka_port, postgres_port = _port_of(record, "kafka"), _port_of(record, "postgres")
    if kafka.bootstrap_servers is None and kafka_port is not None:
        kafka = msgspec.structs.replace(kafka, bootstrap_servers=f"127.0.0.1:{kafka_port}")
    if postgres.dsn is None and postgres_port is not None:
        dsn = LocalPostgres(folder=data.postgres, port=postgres_port).dsn()
        postgres = msgspec.structs.replace(postgres, dsn=Secret(dsn))
    return msgspec.structs.replace(settings, kafka=kafka, postgres=postgres)


def _port_of(record: StackRecord, name: str) -> int | None:
    return next((child.port for child in record.children if child.name == name and child.identity is not None), None)
