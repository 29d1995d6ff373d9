"""Which observations of a trace repeat the usage of those below them: its members' parents and figures in, their ids out. Pure.

Agents and chains tell the sum of their calls again, and two instrumentations of one call tell it twice. An observation that has figures
(tokens, or a cost that the sender gave) is a repeat if there are figures below it, and

- its convention says that it repeats them (`is_declared`: OTel GenAI's `invoke_agent`, Vercel's `ai.generateText`), or
- its own are theirs: the same total of tokens and, where it tells its input apart, the same input; without tokens, the same given cost.

Below it are the nearest observations with figures on each way down; what stands under those is theirs to repeat. So in a chain of agent,
chain and generation, all with the same figures, the generation alone counts. A repeat keeps its own figures and price; it is left out of
sums. Nothing is recognised by likeness: figures that differ by one token count, both.

Figures that were estimated, because nobody told them, give way: they say nothing of others, and count only where no told figures stand anywhere
above or below them and no other estimate below.

The answer depends on the members alone, not on the order in which they came. Members on a circle of parents pass nothing on and repeat
nothing, and estimates on one do not count. In a trace of more than MOST_MEMBERS observations figures are not compared; there what is declared is a repeat.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final, NamedTuple

from tailrace.core.contributions import ZERO
from tailrace.core.money import MONEY

MOST_MEMBERS: Final = 2_000


class Figures(NamedTuple):
    """Tokens, and the cost in USD that the sender gave. They are false when there are none."""

    input: int = 0
    output: int = 0
    total: int = 0
    given_cost: Decimal = ZERO

    def __bool__(self) -> bool:
        return bool(self.total or self.input or self.output or self.given_cost)

    def plus(self, other: "Figures") -> "Figures":
        return Figures(
            self.input + other.input,
            self.output + other.output,
            self.total + other.total,
            MONEY.add(self.given_cost, other.given_cost),
        )

    def repeats(self, below: "Figures") -> bool:
        """Whether these say again what `below` says."""
        if self.total or below.total:
            return self.total == below.total and self.input in (0, below.input)
        return bool(self.given_cost) and self.given_cost == below.given_cost


class Member(NamedTuple):
    """What is to be known of an observation. `is_repeat`: what was found when it was last looked at."""

    parent_id: str | None
    figures: Figures
    is_declared: bool = False
    is_repeat: bool = False
    is_estimate: bool = False


NO_FIGURES: Final = Figures()


def find_repeats(members: Mapping[str, Member]) -> set[str]:
    """The ids of the members that repeat what is below them, or give way to what was told."""
    estimates = [id_ for id_, member in members.items() if member.is_estimate]
    if not estimates:
        return _find_told_repeats(members)
    told = {id_: one._replace(figures=NO_FIGURES) if one.is_estimate else one for id_, one in members.items()}
    return _find_told_repeats(told) | _find_needless(members, estimates)


def find_declared(members: Mapping[str, Member]) -> set[str]:
    """Where figures are not compared: the members whose convention says that they repeat others."""
    return {id_ for id_, member in members.items() if member.is_declared}


def _find_told_repeats(members: Mapping[str, Member]) -> set[str]:
    if sum(1 for member in members.values() if member.figures) < 2:
        return set()
    waits_for = _children_of_each(members)
    ready = [id_ for id_ in members if id_ not in waits_for]
    below: dict[str, Figures] = {}
    repeats: set[str] = set()
    while ready:
        id_ = ready.pop()
        member, under = members[id_], below.pop(id_, NO_FIGURES)
        if member.figures and under and (member.is_declared or member.figures.repeats(under)):
            repeats.add(id_)
        parent_id = member.parent_id
        if parent_id is None or parent_id not in waits_for:
            continue
        passed_on = member.figures or under
        if passed_on:
            below[parent_id] = below[parent_id].plus(passed_on) if parent_id in below else passed_on
        waits_for[parent_id] -= 1
        if not waits_for[parent_id]:
            ready.append(parent_id)
    return repeats


def _find_needless(members: Mapping[str, Member], estimates: Iterable[str]) -> set[str]:
    """The estimates with figures below them, or with told ones above."""
    have_some_below: set[str] = set()
    for member in members.values():
        at = member.parent_id if member.figures else None
        while at is not None and at in members and at not in have_some_below:
            have_some_below.add(at)
            at = members[at].parent_id
    told_from: dict[str, bool] = {}
    return {
        id_ for id_ in estimates if id_ in have_some_below or _is_told_from(members, members[id_].parent_id, told_from)
    }


def _is_told_from(members: Mapping[str, Member], at: str | None, known: dict[str, bool]) -> bool:
    """Whether figures were told at a member or above it. `known`: what was found before."""
    way: dict[str, None] = {}
    found = False
    while at is not None and at in members and at not in way:
        if at in known:
            found = known[at]
            break
        way[at] = None
        member = members[at]
        if member.figures and not member.is_estimate:
            found = True
            break
        at = member.parent_id
    known.update(dict.fromkeys(way, found))
    return found


def _children_of_each(members: Mapping[str, Member]) -> dict[str, int]:
    """How many children each member has that is a parent of others."""
    count: dict[str, int] = {}
    for member in members.values():
        if member.parent_id is not None and member.parent_id in members:
            count[member.parent_id] = count.get(member.parent_id, 0) + 1
    return count
