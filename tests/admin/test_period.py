"""Closing and reopening billing periods: the latest word holds, and every word stays."""

import pytest

from tests.admin.conftest import Query, Tailrace

pytestmark = pytest.mark.integration


def tenant(tailrace: Tailrace) -> None:
    assert tailrace("tenant", "create", "--org", "acme", "--project", "p").code == 0


def test_a_period_is_closed_further_and_reopened_and_each_word_is_kept(tailrace: Tailrace, query: Query) -> None:
    tenant(tailrace)

    first = tailrace("period", "close", "--project", "p", "--before", "2026-02-01", "--operator", "ada")
    second = tailrace("period", "close", "--project", "p", "--before", "2026-03-01T12:00+02:00", "--reason", "billed")
    back = tailrace("period", "reopen", "--project", "p", "--before", "2026-02-01", "--reason", "a wrong invoice")
    listed = tailrace("period", "list", "--json").json
    opened = tailrace("period", "reopen", "--project", "p", "--reason", "all of it")

    assert [one.code for one in (first, second, back, opened)] == [0, 0, 0, 0]
    assert first.out == "closed p before 2026-02-01: no repricing changes what starts earlier\n"
    assert back.out == "reopened p before 2026-03-01T10:00:00+00:00: it is closed before 2026-02-01 still\n"
    assert opened.out == "reopened p before 2026-02-01: all its periods are open\n"
    assert [(one["command"], one["closedBefore"], one["holds"], one["reason"]) for one in listed] == [
        ("reopen", "2026-02-01T00:00:00Z", True, "a wrong invoice"),
        ("close", "2026-03-01T10:00:00Z", False, "billed"),
        ("close", "2026-02-01T00:00:00Z", False, None),
    ]
    rows = query("select operator, closed_before from billing_periods order by id")
    assert (rows[0]["operator"], rows[-1]["closed_before"], len(rows)) == ("ada", None, 4)


def test_what_makes_no_sense_is_refused_in_a_sentence(tailrace: Tailrace, query: Query) -> None:
    tenant(tailrace)
    tailrace("period", "close", "--project", "p", "--before", "2026-02-01")

    def refused(*arguments: str) -> str:
        outcome = tailrace("period", *arguments)
        assert outcome.code == 1
        return outcome.err.removeprefix("tailrace: ").strip()

    assert refused("close", "--project", "q", "--before", "2026-02-01").startswith("there is no project q")
    again = refused("close", "--project", "p", "--before", "2026-01-01")
    assert again == "the periods of p are closed before 2026-02-01 already"
    assert refused("close", "--project", "p", "--before", "9998-01-01").startswith("expected --before in the past")
    assert refused("reopen", "--project", "p", "--reason", " ") == "expected a --reason in words, got nothing"
    later = refused("reopen", "--project", "p", "--before", "2026-02-02", "--reason", "x")
    assert later == "expected a --before earlier than 2026-02-01, up to which p is closed, got 2026-02-02"
    tailrace("period", "reopen", "--project", "p", "--reason", "x")
    assert refused("reopen", "--project", "p", "--reason", "x") == "no period of p is closed"
    assert len(query("select from billing_periods")) == 2


def test_a_table_shows_what_holds(tailrace: Tailrace) -> None:
    tenant(tailrace)
    tailrace("period", "close", "--project", "p", "--before", "2026-02-01", "--operator", "ada", "--reason", "billed")

    heading, row = tailrace("period", "list", "--project", "p").out.splitlines()

    assert heading.split() == ["PROJECT", "CLOSED", "BEFORE", "HOLDS", "SAID", "OPERATOR", "REASON"]
    assert row.split()[:4] == ["p", "2026-02-01", "yes", "close"]
    assert row.split()[-2:] == ["ada", "billed"]
