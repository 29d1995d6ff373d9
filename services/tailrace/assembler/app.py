"""The assembler as a Faust app: Faust brings the raw records and the assignment; a `PartitionOwner` for each partition does the work.

Faust commits nothing here and keeps no table: commits follow Postgres, and where to start reading is Postgres's word, not the
group's. Faust's own seek to the committed offset after a rebalance may come late; owners drop what they do not expect.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from aiokafka.errors import CommitFailedError

from tailrace.assembler.batch import RawRecord
from tailrace.assembler.owner import PartitionOwner, Tools
from tailrace.runtime import metrics
from tailrace.runtime.kafka import KAFKA_ERRORS
from tailrace.runtime.log import get_logger
from tailrace.runtime.postgres import OUTAGE_ERRORS

log = get_logger(__name__)

POLL_SECONDS = 0.1
COMMIT_EVERY_POLLS = 10


class Assembler:
    """The owners of the partitions that this process is assigned."""

    def __init__(self, make_tools: Callable[[], Tools]) -> None:
        self._make_tools = make_tools
        self._owners: dict[int, tuple[PartitionOwner, asyncio.Task[None]]] = {}
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def offer(self, partition: int, record: RawRecord) -> None:
        """Hand a record to the partition's owner, if this process has it."""
        owned = self._owners.get(partition)
        if owned is not None:
            owned[0].offer(record)

    async def assign(self, partitions: Iterable[int]) -> None:
        """Own these partitions and no others; what is kept goes on undisturbed."""
        wanted = set(partitions)
        for partition in self._owners.keys() - wanted:
            await self._release(partition)
        for partition in sorted(wanted - self._owners.keys()):
            owner = PartitionOwner(partition, self._make_tools())
            task = asyncio.create_task(owner.run(), name=owner.name)
            task.add_done_callback(self._ended)
            self._owners[partition] = (owner, task)
        metrics.consumer_owned.set(len(self._owners))
        log.info("assembler.assigned", partitions=sorted(wanted))

    async def follow(self, stop: asyncio.Event) -> None:
        """Tell the owners what Postgres has applied, until `stop`."""
        tools = self._make_tools()
        polls = 0
        while not stop.is_set():
            polls += 1
            try:
                await self.poll()
                tools.health.clear("postgres")
                if polls % COMMIT_EVERY_POLLS == 0:
                    await self._acknowledge()
            except OUTAGE_ERRORS as error:
                tools.health.block("postgres", f"{type(error).__name__}: {error}")
                await asyncio.sleep(1)
            await asyncio.sleep(POLL_SECONDS)

    async def poll(self) -> None:
        """Ask Postgres once what is applied, and tell the owners. Raises OUTAGE_ERRORS."""
        asked = {partition: owner.mark() for partition, (owner, _) in self._owners.items()}
        progress = await self._make_tools().repository.read_progress(asked)
        metrics.assembler_halted.set(sum(where.halted_reason is not None for where in progress.values()))
        for partition, where in progress.items():
            owned = self._owners.get(partition)
            if owned is not None:
                owned[0].observe(where, asked[partition])

    def fail(self, error: BaseException) -> None:
        """End the process with this error."""
        if not self.failed.done():
            self.failed.set_exception(error)

    async def stop(self) -> None:
        """Let go of all partitions."""
        await self._acknowledge()
        for partition in list(self._owners):
            await self._release(partition)

    async def _acknowledge(self) -> None:
        health = self._make_tools().health
        try:
            for owner, _ in list(self._owners.values()):
                await owner.acknowledge()
            health.clear("kafka")
        except CommitFailedError:
            log.info("assembler.commit.superseded")
        except KAFKA_ERRORS as error:
            log.warning("assembler.commit.failed", error=type(error).__name__)
            health.block("kafka", f"commits: {type(error).__name__}: {error}")

    async def _release(self, partition: int) -> None:
        _, task = self._owners.pop(partition)
        task.cancel()
        await asyncio.wait([task])

    def _ended(self, task: asyncio.Task[None]) -> None:
        """An owner never ends by itself: an unexpected error of one ends the process, loudly."""
        if not task.cancelled():
            self.fail(task.exception() or RuntimeError(f"{task.get_name()} ended"))


def connect(app: Any, topic: str, assembler: Assembler) -> None:
    """Let the app's raw topic and its assignments flow to the assembler."""
    raw = app.topic(topic, key_serializer="raw", value_serializer="raw")

    async def assemble(stream: Any) -> None:
        async for event in stream.noack().events():
            message = event.message
            headers: dict[str, bytes] = {name: value or b"" for name, value in message.headers or ()}
            record = RawRecord(message.offset, headers, message.value or b"")
            try:
                assembler.offer(message.partition, record)
            except Exception as error:
                # Faust would start the agent again behind this record: the process must end instead.
                assembler.fail(error)
                raise

    app.agent(raw, name="assemble")(assemble)

    async def assigned(_: Any, assigned: Any, **__: Any) -> None:
        await assembler.assign(tp.partition for tp in assigned if tp.topic == topic)

    app.on_partitions_assigned.connect(assigned, weak=False)
