"""A line chart as SVG: named series of points in, text out."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

WIDTH, HEIGHT, MARGIN = 900, 420, 70
_LEGEND: Final = 150
_STEPS: Final = 5
_colours = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#17becf")

Points = Sequence[tuple[float, float]]


class _Scale(NamedTuple):
    """The largest value on each axis; both begin at 0."""

    right: float
    top: float

    def x(self, value: float) -> float:
        return MARGIN + (WIDTH - _LEGEND - 2 * MARGIN) * value / self.right

    def y(self, value: float) -> float:
        return HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * value / self.top


def draw(title: str, series: Mapping[str, Points], *, across: str, up: str, dots: bool = False) -> str:
    """A line for each series; `across` and `up` name the axes with their units. `dots`: mark each point."""
    every = [point for points in series.values() for point in points]
    scale = _Scale(
        max((x for x, _ in every), default=1.0) or 1.0, (max((y for _, y in every), default=1.0) or 1.0) * 1.05
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{MARGIN}" y="24" font-size="15">{title}</text>',
        *_axes(scale, across, up),
    ]
    for number, (name, points) in enumerate(series.items()):
        colour = _colours[number % len(_colours)]
        path = " ".join(f"{scale.x(x):.1f},{scale.y(y):.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        if dots:
            parts += [f'<circle cx="{scale.x(x):.1f}" cy="{scale.y(y):.1f}" r="3" fill="{colour}"/>' for x, y in points]
        parts.append(f'<text x="{WIDTH - _LEGEND}" y="{MARGIN + 16 * number}" fill="{colour}">{name}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _axes(scale: _Scale, across: str, up: str) -> list[str]:
    lines: list[str] = []
    left, right, bottom = scale.x(0), scale.x(scale.right), scale.y(0)
    for step in range(_STEPS + 1):
        y, x = scale.y(scale.top * step / _STEPS), scale.x(scale.right * step / _STEPS)
        lines += [
            f'<line x1="{left:.0f}" x2="{right:.0f}" y1="{y:.0f}" y2="{y:.0f}" stroke="#ddd"/>',
            f'<text x="{left - 8:.0f}" y="{y + 4:.0f}" text-anchor="end">{scale.top * step / _STEPS:.4g}</text>',
            f'<text x="{x:.0f}" y="{bottom + 18:.0f}" text-anchor="middle">{scale.right * step / _STEPS:.4g}</text>',
        ]
    lines += [
        f'<text x="{left - 8:.0f}" y="{scale.y(scale.top) - 10:.0f}" text-anchor="end">{up}</text>',
        f'<text x="{(left + right) / 2:.0f}" y="{bottom + 38:.0f}" text-anchor="middle">{across}</text>',
    ]
    return lines
