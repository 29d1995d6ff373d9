"""Sums of units and the parts within or beside them flow in, disjoint keys flow out, with a warning where the sums cannot be true.

Providers and senders differ in what a sum holds: OpenAI's `prompt_tokens` holds the cached tokens, Anthropic's `input_tokens` does
not; OpenAI's `completion_tokens` holds the reasoning, Gemini's `candidatesTokenCount` does not. What is known of a source is its
`Counting`. What is not known is told by the given total, if it is the sum of the one or the other; if that tells nothing either,
parts are within, as OpenTelemetry's conventions have it.
"""

from typing import Final, NamedTuple

from tailrace.core.units import MAX_UNITS


class Counting(NamedTuple):
    """Whether the sums of a source hold their parts; None: not known. `cache_beside`: only if they are more than the sum."""

    input_holds: bool | None = None
    output_holds: bool | None = None
    cache_beside: bool = False


UNKNOWN: Final = Counting()
WITHIN: Final = Counting(input_holds=True)
"""Cached input is within the input; whether reasoning is within the output is told by the total (at xAI it is not)."""
BESIDE: Final = Counting(input_holds=False)
"""Anthropic and Bedrock: the input is what was neither read from a cache nor written to one."""


class Reported:
    """What a sender reported. `input_parts`, `output_parts`: within or beside the sums. `beside`: tokens that no sum holds.

    `others`: counts of which it is not known whether they are tokens of the total.
    """

    __slots__ = ("beside", "input", "input_parts", "others", "output", "output_parts", "total")

    def __init__(self, given: int | None, output: int | None, total: int | None) -> None:
        self.input = given
        self.output = output
        self.total = total
        self.input_parts: dict[str, int] = {}
        self.output_parts: dict[str, int] = {}
        self.beside: dict[str, int] = {}
        self.others: dict[str, int] = {}


class Settled(NamedTuple):
    """Disjoint keys with their `total`, and what is wrong with what was reported."""

    details: dict[str, int]
    warnings: tuple[str, ...] = ()


def settle(reported: Reported, counting: Counting = UNKNOWN) -> Settled:
    """The usage in its normal form."""
    of_input, of_output = sum(reported.input_parts.values()), sum(reported.output_parts.values())
    input_holds, output_holds = _decide(reported, counting, of_input, of_output)
    details: dict[str, int] = {}
    warnings: list[str] = []
    if reported.input is not None:
        details["input"] = max(reported.input - of_input, 0) if input_holds else reported.input
        if input_holds and of_input > reported.input:
            warnings.append(_too_much("cached and other parts of the input", of_input, "input", reported.input))
    details |= reported.input_parts
    if reported.output is not None:
        details["output"] = max(reported.output - of_output, 0) if output_holds else reported.output
        if output_holds and of_output > reported.output:
            warnings.append(_too_much("reasoning and other parts of the output", of_output, "output", reported.output))
    details |= reported.output_parts
    details |= reported.beside
    told = (reported.input or 0) + (reported.output or 0) + sum(reported.beside.values())
    details |= {key: units for key, units in reported.others.items() if key not in details}
    others = reported.others
    return with_total(
        details,
        reported.total,
        told=told,
        others=sum(others.values()),
        uncounted=sum(units for key, units in others.items() if "token" not in key.lower()),
        warnings=tuple(warnings),
    )


def with_total(
    details: dict[str, int],
    total: int | None,
    *,
    told: int | None = None,
    others: int = 0,
    uncounted: int = 0,
    warnings: tuple[str, ...] = (),
) -> Settled:
    """The details with a total: the given one, else their sum without `uncounted` units.

    A given total may leave out `others`. If it is `told`, the sum in the sender's own counting, it is brought to ours. If it is none
    of these it stays, with a warning, unless a side is missing, which may be the rest of it.
    """
    whole = sum(details.values())
    if total is None:
        sum_of_tokens = whole - uncounted
        return Settled({**details, "total": sum_of_tokens} if details and whole <= MAX_UNITS else details, warnings)
    if not warnings and total not in (whole, whole - others):
        if total == told:
            total = min(whole - others, MAX_UNITS)
        elif total < whole or ("input" in details and "output" in details):
            warnings = (f"usage total {total} is not the sum of its parts, {whole}",)
    return Settled({**details, "total": total}, warnings)


def _decide(reported: Reported, counting: Counting, of_input: int, of_output: int) -> tuple[bool, bool]:
    """Whether the input and the output hold their parts."""
    input_holds, output_holds = counting.input_holds, counting.output_holds
    if not of_input and not of_output:
        return True, True
    given, output = reported.input or 0, reported.output or 0
    if reported.total is not None and (input_holds is None or output_holds is None):
        rest = reported.total - given - output - sum(reported.beside.values())
        for within_input, within_output in _READINGS:
            if input_holds not in (None, within_input) or output_holds not in (None, within_output):
                continue
            if (within_input and of_input > given) or (within_output and of_output > output):
                continue
            if rest == (0 if within_input else of_input) + (0 if within_output else of_output):
                return within_input, within_output
    if input_holds is None:
        input_holds = not (counting.cache_beside and of_input > given)
    return input_holds, output_holds is not False


_READINGS: Final = ((True, True), (False, True), (True, False), (False, False))
"""In which order sums are tried to be understood: as the conventions have it first."""


def _too_much(parts: str, units: int, whole: str, of_whole: int) -> str:
    return f"usage contradicts itself: the {parts}, {units}, are more than all {whole}, {of_whole}"
