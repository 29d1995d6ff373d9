"""A gate that projects pass in turn: bounds, order, and nobody who gives up keeps others out."""

import asyncio

from tailrace.edge.gate import FairGate


class Passers:
    """Tasks that pass a gate and stay until they are let go. `inside`: who is, in the order of entering."""

    def __init__(self, gate: FairGate) -> None:
        self._gate = gate
        self.inside: list[str] = []
        self.leave: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def come(self, project: str, name: str, size: int = 1) -> None:
        self.leave[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._pass(project, name, size))
        await settle()

    async def go(self, *names: str) -> None:
        for name in names:
            self.leave[name].set()
            await self.tasks[name]
            self.inside.remove(name)
        await settle()

    async def _pass(self, project: str, name: str, size: int) -> None:
        async with self._gate.hold(project, size):
            self.inside.append(name)
            await self.leave[name].wait()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_no_more_than_its_capacity_is_inside_at_once() -> None:
    passers = Passers(FairGate(10, 10))
    for number in range(4):
        await passers.come(f"p{number}", f"n{number}", size=4)

    assert passers.inside == ["n0", "n1"]
    await passers.go("n0", "n1")
    assert passers.inside == ["n2", "n3"]
    await passers.go("n2", "n3")


async def test_a_project_at_its_bound_waits_and_others_pass_it() -> None:
    passers = Passers(FairGate(10, 4))
    for name in ("loud-1", "loud-2", "loud-3"):
        await passers.come("loud", name, size=2)
    await passers.come("quiet", "quiet", size=4)

    assert passers.inside == ["loud-1", "loud-2", "quiet"]
    await passers.go("loud-1", "loud-2", "quiet")
    await passers.go("loud-3")


async def test_the_queue_of_one_project_is_not_served_before_the_head_of_another() -> None:
    passers = Passers(FairGate(1, 1))
    for number in range(50):
        await passers.come("loud", f"loud-{number}")
    await passers.come("quiet", "quiet")

    await passers.go("loud-0")
    first = passers.inside[0]
    await passers.go(first)

    assert "quiet" in (first, *passers.inside)
    for task in passers.tasks.values():
        task.cancel()
    await asyncio.gather(*passers.tasks.values(), return_exceptions=True)


async def test_one_larger_than_the_gate_goes_alone_and_is_not_overtaken_for_ever() -> None:
    passers = Passers(FairGate(10, 4))
    await passers.come("a", "small-1", size=4)
    await passers.come("b", "large", size=50)
    await passers.come("c", "small-2", size=4)

    assert passers.inside == ["small-1"]
    await passers.go("small-1")
    assert passers.inside == ["large"]
    await passers.go("large")
    assert passers.inside == ["small-2"]
    await passers.go("small-2")


async def test_who_gives_up_while_waiting_leaves_no_trace() -> None:
    passers = Passers(FairGate(1, 1))
    await passers.come("a", "first")
    await passers.come("b", "gives-up")
    await passers.come("c", "third")
    passers.tasks["gives-up"].cancel()
    await settle()

    await passers.go("first")

    assert passers.inside == ["third"]
    await passers.go("third")


async def test_who_is_cancelled_in_the_moment_of_being_let_in_gives_the_room_back() -> None:
    passers = Passers(FairGate(1, 1))
    await passers.come("a", "first")
    await passers.come("b", "second")
    passers.leave["first"].set()
    await passers.tasks["first"]
    passers.tasks["second"].cancel()
    await settle()

    await passers.come("c", "third")

    assert passers.inside[-1] == "third"
    await passers.go("third")


async def test_those_who_need_no_room_pass_too() -> None:
    passers = Passers(FairGate(1, 1))
    for name in ("one", "two", "three"):
        await passers.come("a", name, size=0)

    assert passers.inside == ["one", "two", "three"]
    await passers.go("one", "two", "three")
