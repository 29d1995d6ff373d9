"""What a repricing changes, summed up: appraised observations in, sums by project, user and model out, printed as a table or as JSON."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import msgspec

from tailrace.admin.appraisal import Appraised, Page
from tailrace.admin.command import print_json, print_table
from tailrace.core.contributions import ZERO
from tailrace.core.money import MONEY, add_money, money_text

_MOST_LINES: Final = 50


class Line(msgspec.Struct, kw_only=True, rename="camel"):
    """Observations of one project, user and model whose cost changes, and what they cost before and after, in USD."""

    project: str
    user: str | None
    model: str | None
    observations: int = 0
    before: Decimal = ZERO
    after: Decimal = ZERO

    def add(self, one: Appraised) -> None:
        before, after = one.amounts
        self.observations += 1
        self.before, self.after = _total((self.before, before)), _total((self.after, after))

    @property
    def difference(self) -> Decimal:
        return _total((self.after, MONEY.minus(self.before)))


class Sums:
    """What a repricing does in one project, so far. `repeats`: repriced too, but in no sum. `closed`: left out, as their period is closed."""

    def __init__(self, project_id: str, closed_before: datetime | None) -> None:
        """`closed_before`: an observation that starts earlier is left out; None leaves out none."""
        self._project_id = project_id
        self._closed_before = closed_before
        self._lines: dict[tuple[str | None, str | None], Line] = {}
        self._total = Line(project=project_id, user=None, model=None)
        self.closed = Line(project=project_id, user=None, model=None)
        self.repeats = self.stated = self.looked_at = 0

    def add(self, page: Page) -> list[Appraised]:
        """Take a page in; returns what of it is to change."""
        self.looked_at += page.looked_at
        self.stated += page.stated
        taken = [one for one in page.changes if not self._is_closed(one)]
        for one in taken:
            self._add(one)
        return taken

    @property
    def lines(self) -> list[Line]:
        """The largest differences first."""
        return sorted(self._lines.values(), key=lambda line: (-abs(line.difference), line.user or "", line.model or ""))

    @property
    def observations(self) -> int:
        return self._total.observations

    @property
    def before(self) -> Decimal:
        return self._total.before

    @property
    def after(self) -> Decimal:
        return self._total.after

    def _is_closed(self, one: Appraised) -> bool:
        if self._closed_before is None or one.start >= self._closed_before:
            return False
        if one.is_counted:
            self.closed.add(one)
        return True

    def _add(self, one: Appraised) -> None:
        if not one.is_counted:
            self.repeats += 1
            return
        key = (one.user_id, one.label)
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = Line(project=self._project_id, user=one.user_id, model=one.label)
        line.add(one)
        self._total.add(one)


class Report(msgspec.Struct, kw_only=True, rename="camel"):
    """The whole of a repricing. `command`, `records`: None and 0 of a dry run."""

    model: str
    start: datetime
    end: datetime
    dry_run: bool
    command: str | None
    records: int
    looked_at: int
    stated: int
    repeats: int
    observations: int
    before: Decimal
    after: Decimal
    difference: Decimal
    closed_observations: int
    closed_difference: Decimal
    lines: list[dict[str, Any]]


def make_report(
    model: str, between: tuple[datetime, datetime], sums: Sequence[Sums], command: str | None, records: int
) -> Report:
    """Of all projects together."""
    before, after = _total(one.before for one in sums), _total(one.after for one in sums)
    return Report(
        model=model,
        start=between[0],
        end=between[1],
        dry_run=command is None,
        command=command,
        records=records,
        looked_at=sum(one.looked_at for one in sums),
        stated=sum(one.stated for one in sums),
        repeats=sum(one.repeats for one in sums),
        observations=sum(one.observations for one in sums),
        before=before,
        after=after,
        difference=_total((after, MONEY.minus(before))),
        closed_observations=sum(one.closed.observations for one in sums),
        closed_difference=_total(one.closed.difference for one in sums),
        lines=[_as_json(line) for one in sums for line in one.lines],
    )


def print_report(report: Report, *, as_json: bool) -> None:
    """Amounts have all their digits."""
    if as_json:
        built = msgspec.to_builtins(report, builtin_types=(Decimal, datetime))
        print_json({"from": built.pop("start"), "to": built.pop("end"), **built})
        return
    if report.lines:
        print_table(
            ["PROJECT", "USER", "MODEL", "OBSERVATIONS", "BEFORE USD", "AFTER USD", "DIFFERENCE USD"],
            [_cells(line) for line in report.lines[:_MOST_LINES]],
        )
        if len(report.lines) > _MOST_LINES:
            print(f"and {len(report.lines) - _MOST_LINES} lines more; --json prints all")
        print()
    done = "would change" if report.dry_run else "changed"
    print(
        f"{done} {report.observations} of {report.looked_at} observations: {money_text(report.before)} USD to "
        f"{money_text(report.after)} USD, a difference of {money_text(report.difference)} USD"
    )
    if report.repeats:
        print(f"{done} {report.repeats} observations more that repeat others and are in no sum")
    if report.stated:
        print(f"left {report.stated} observations whose sender said what they cost")
    if report.closed_observations:
        print(
            f"left {report.closed_observations} observations of closed billing periods, a difference of "
            f"{money_text(report.closed_difference)} USD; --force changes them too"
        )
    if report.command is not None:
        print(
            f"sent {report.records} records as {report.command}; they are applied in their turn, behind what came before"
        )


def _as_json(line: Line) -> dict[str, Any]:
    return {**msgspec.to_builtins(line, builtin_types=(Decimal,)), "difference": line.difference}


def _cells(line: dict[str, Any]) -> list[object]:
    money = [money_text(line[name]) for name in ("before", "after", "difference")]
    return [line["project"], line["user"], line["model"], line["observations"], *money]


def _total(amounts: Iterable[Decimal]) -> Decimal:
    """The exact sum, without trailing zeros."""
    return MONEY.normalize(add_money(amounts))
