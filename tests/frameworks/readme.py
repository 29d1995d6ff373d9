"""Writes the tables of README.md: each package, its version and whether it is recorded, and the matrix of records and fields."""

from pathlib import Path
from typing import Final

from tests.frameworks.catalogue import CATALOGUE, FOLDER, MISSING
from tests.frameworks.matrix import FIELDS, cells
from tests.frameworks.recording import read_expected
from tests.frameworks.replay import absent_of, known_gaps, records

README: Final = FOLDER / "README.md"
_HEAD: Final = "| run | package | version | recorded |"


def write_readme(path: Path = README) -> None:
    """Writes the tables anew and leaves the text before them as it is."""
    text = path.read_text(encoding="utf-8").partition(_HEAD)[0]
    path.write_text(text + tables(), encoding="utf-8")


def tables() -> str:
    """Both tables, from the records and what is declared of them."""
    return f"{_packages()}\n{matrix()}"


def matrix() -> str:
    """What is right, not sent, or a gap, as declared."""
    lines = [f"| run | {' | '.join(FIELDS)} |", f"|---{'|---' * len(FIELDS)}|"]
    told = set(cells())
    for name in records():
        absent, gaps = absent_of(name), known_gaps(name)
        signs = ["–" if field in absent else "○" if field in gaps else "●" for field in FIELDS]  # noqa: RUF001
        shown = [sign if (name, field) in told else "" for sign, field in zip(signs, FIELDS, strict=True)]
        lines.append(f"| {name} | {' | '.join(shown)} |")
    return "\n".join(lines) + "\n"


def _packages() -> str:
    lines = [_HEAD, "|---|---|---|---|"]
    for run in CATALOGUE.values():
        expected = read_expected(run.record)
        versions: dict[str, str] = expected.get("packages") or run.versions()
        state = f"{len(expected['calls'])} calls" if expected else "no"
        lines.append(f"| {run.name} | {', '.join(versions)} | {', '.join(versions.values())} | {state} |")
    lines += [f"| | {each.package} | | no: {each.reason} |" for each in MISSING]
    return "\n".join(lines) + "\n"
