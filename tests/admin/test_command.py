"""What every operator command prints, and how it fails."""

from datetime import UTC, datetime
from decimal import Decimal

import asyncpg
import msgspec
import orjson
import pytest
from aiokafka.errors import KafkaTimeoutError

from tailrace.admin.command import OperatorError, print_json, print_table, run_command


class Line(msgspec.Struct, rename="camel"):
    total_cost: Decimal
    at: datetime


async def fail_with(error: Exception) -> int:
    raise error


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OperatorError("there is no project x"), "there is no project x"),
        (asyncpg.UndefinedTableError('relation "projects" does not exist'), "run `tailrace migrate`"),
        (asyncpg.LockNotAvailableError("canceling statement due to lock timeout"), "Postgres refused this: canceling"),
        (KafkaTimeoutError(), "Kafka did not do this: KafkaTimeoutError"),
        (ConnectionResetError(), "a connection broke: ConnectionResetError"),
    ],
)
def test_a_failure_is_one_sentence_and_exit_code_1(
    error: Exception, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(fail_with(error)) == 1

    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("tailrace: ")
    assert sentence in printed.err
    assert printed.err.count("\n") == 1


def test_a_bug_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        run_command(fail_with(ZeroDivisionError()))


def test_json_keeps_every_digit_of_money(capsys: pytest.CaptureFixture[str]) -> None:
    print_json([Line(Decimal("1E-9"), datetime(2026, 1, 2, tzinfo=UTC))])

    assert orjson.loads(capsys.readouterr().out) == [{"totalCost": "0.000000001", "at": "2026-01-02T00:00:00Z"}]


def test_a_table_aligns_text_left_and_numbers_right(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["NAME", "COUNT"], [("a", 7), ("long name", None), ("", 1000)])

    assert capsys.readouterr().out.splitlines() == [
        "NAME       COUNT",
        "a              7",
        "long name      -",
        "-           1000",
    ]
