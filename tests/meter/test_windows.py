"""Live windows: whatever the order and however often parts come, the newest of each raw partition counts."""

import gc
import random
import tracemalloc
from decimal import Decimal
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from tailrace.meter.windows import LiveWindows, Version, WindowKey, key_of
from tailrace.wire.records import CostPart, CostPartsRecord, decode_record, encode_record
from tests.meter.parts import make_part, make_parts_record

ONE = 2000
"""A bit more than the bytes of a window of one part."""


class Said(NamedTuple):
    """What a raw partition says of a window at a version."""

    partition: int
    version: Version
    part: CostPart


users = st.sampled_from([None, "ann", "bob"])
versions = st.builds(Version, st.integers(1, 3), st.integers(0, 5))


@st.composite
def sayings(draw: st.DrawFn) -> list[Said]:
    """Parts of a few windows; two of one version say the same, as the fold is deterministic."""
    said: dict[tuple[int, Version, str | None], Said] = {}
    for _ in range(draw(st.integers(0, 12))):
        partition, version, user = draw(st.integers(0, 2)), draw(versions), draw(users)
        part = make_part(str(draw(st.decimals(-9, 9, places=draw(st.integers(0, 12))))), user_id=user)
        said.setdefault((partition, version, user), Said(partition, version, part))
    return list(said.values())


def totals_after(said: list[Said]) -> dict[WindowKey, Decimal]:
    windows = LiveWindows(1000 * ONE)
    for one in said:
        windows.merge(one.partition, one.version, one.part)
    return {key_of(one.part): windows.cost(key_of(one.part)) for one in said}


@given(sayings(), st.randoms())
def test_any_order_and_any_repetition_gives_the_same_totals(said: list[Said], rng: random.Random) -> None:
    shuffled = said + rng.sample(said, rng.randint(0, len(said)))
    rng.shuffle(shuffled)

    assert totals_after(shuffled) == totals_after(said)


@given(sayings())
def test_a_window_is_the_sum_of_the_newest_part_of_each_raw_partition(said: list[Said]) -> None:
    newest: dict[tuple[WindowKey, int], Said] = {}
    for one in sorted(said, key=lambda one: one.version):
        newest[key_of(one.part), one.partition] = one
    expected: dict[WindowKey, Decimal] = {}
    for (key, _), one in newest.items():
        expected[key] = expected.get(key, Decimal(0)) + one.part.cost

    assert totals_after(said) == expected


@given(sayings(), st.randoms())
def test_the_growths_of_a_window_add_up_to_its_total(said: list[Said], rng: random.Random) -> None:
    windows = LiveWindows(1000 * ONE)
    grown: dict[WindowKey, Decimal] = {}
    for one in said + rng.sample(said, rng.randint(0, len(said))):
        key = key_of(one.part)
        grown[key] = grown.get(key, Decimal(0)) + windows.merge(one.partition, one.version, one.part).cost

    assert grown == {key: windows.cost(key) for key in grown}


def test_no_user_has_windows_of_its_own() -> None:
    windows = LiveWindows(10 * ONE)
    windows.merge(0, Version(1, 1), make_part("1", user_id=None))
    windows.merge(0, Version(1, 1), make_part("2", user_id="ann"))

    assert windows.cost(key_of(make_part(user_id=None))) == 1
    assert windows.cost(key_of(make_part(user_id="ann"))) == 2


def test_a_part_of_a_newer_epoch_counts_though_its_origin_is_lower() -> None:
    windows = LiveWindows(10 * ONE)
    windows.merge(0, Version(1, 9), make_part("5"))
    windows.merge(0, Version(2, 3), make_part("2"))
    windows.merge(0, Version(1, 10), make_part("7"))

    assert windows.cost(key_of(make_part())) == 2


def test_a_loaded_window_has_the_parts_of_all_raw_partitions() -> None:
    windows = LiveWindows(10 * ONE)
    key = key_of(make_part())
    assert windows.missing([key]) == {key}
    windows.load(key, [(0, Version(1, 1), make_part("1")), (1, Version(1, 8), make_part("2"))])
    windows.merge(0, Version(1, 2), make_part("4"))

    assert windows.missing([key]) == set()
    assert windows.cost(key) == 6


def test_the_least_recently_changed_windows_beyond_the_limit_go() -> None:
    windows = LiveWindows(2 * ONE)
    for user in ("ann", "bob", "cem"):
        windows.merge(0, Version(1, 1), make_part(user_id=user))
    windows.merge(0, Version(1, 2), make_part(user_id="ann"))
    windows.trim(lambda _, __: True)

    assert windows.missing(key_of(make_part(user_id=user)) for user in ("ann", "bob", "cem")) == {
        key_of(make_part(user_id="bob"))
    }


def test_a_window_with_a_part_that_is_not_stored_stays() -> None:
    windows = LiveWindows(ONE)
    windows.merge(0, Version(1, 5), make_part(user_id="ann"))
    windows.merge(1, Version(1, 1), make_part(user_id="bob"))
    windows.merge(0, Version(1, 6), make_part(user_id="cem"))
    windows.trim(lambda partition, version: (partition, version.origin) in {(1, 1), (0, 6)})

    assert len(windows) == 1
    assert windows.missing([key_of(make_part(user_id="ann"))]) == set()


def test_a_void_part_gives_way_to_what_is_stored_and_what_is_newer_stays() -> None:
    windows = LiveWindows(10 * ONE)
    key = key_of(make_part())
    windows.merge(0, Version(1, 9), make_part("5"))
    windows.merge(1, Version(3, 4), make_part("7"))

    def is_void(partition: int, version: Version) -> bool:
        return partition == 0 and version == Version(1, 9)

    assert windows.voided(is_void) == [key]
    stored = [(0, Version(1, 8), make_part("2")), (1, Version(3, 3), make_part("1"))]
    growth = windows.reload(key, stored, is_void)

    assert (growth.cost, windows.cost(key)) == (-3, 9)
    assert windows.voided(is_void) == []


def test_the_weight_of_windows_is_within_twice_of_what_they_take_whatever_leaves() -> None:
    values = [
        encode_record(
            make_parts_record(4, make_part(user_id=f"user-{number % 500}-{'x' * 60}"), partition=number // 500)
        )
        for number in range(2000)
    ]
    windows = LiveWindows(600_000)
    gc.collect()
    tracemalloc.start()
    for value in values:
        record = decode_record(value, CostPartsRecord)
        for part in record.parts:
            windows.merge(record.partition, Version(record.epoch, record.origin), part)
    gc.collect()
    true, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert 0.5 < windows.bytes / true < 2, (windows.bytes, true)
    windows.trim(lambda _, __: True)
    assert windows.bytes <= 600_000
    windows.clear()
    assert windows.bytes == 0
