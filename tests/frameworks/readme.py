"""Writes what the records show: the packages into README.md, the matrix of records and fields into docs/frameworks.md."""

from typing import Final

from tests.frameworks.catalogue import CATALOGUE, FOLDER, MISSING
from tests.frameworks.environments import REPOSITORY
from tests.frameworks.matrix import FIELDS, cells
from tests.frameworks.recording import read_expected
from tests.frameworks.replay import absent_of, known_gaps, records, replay_of

README: Final = FOLDER / "README.md"
MATRIX: Final = REPOSITORY / "docs/frameworks.md"
_HEAD: Final = "| run | package | version | recorded |"
_BEGIN: Final = "<!-- matrix: written by python -m tests.frameworks --table -->\n"
_END: Final = "<!-- end of matrix -->"


def write_tables() -> None:
    """Writes the tables anew and leaves the text around them as it is."""
    text = README.read_text(encoding="utf-8").partition(_HEAD)[0]
    README.write_text(text + packages(), encoding="utf-8")
    text = MATRIX.read_text(encoding="utf-8")
    before, after = text.partition(_BEGIN)[0], text.partition(_END)[2]
    MATRIX.write_text(f"{before}{_BEGIN}{matrix()}{_END}{after}", encoding="utf-8")


def matrix_in(text: str) -> str:
    """What stands between the marks."""
    return text.partition(_BEGIN)[2].partition(_END)[0]


def matrix() -> str:
    """What is right, not sent, sent otherwise than it was billed, or not read, and below it the reasons for the last two."""
    lines = [f"| record | {' | '.join(FIELDS)} |", f"|---{'|---' * len(FIELDS)}|"]
    told = set(cells())
    for name in records():
        shown = [_sign(name, field) if (name, field) in told else "" for field in FIELDS]
        lines.append(f"| {name} | {' | '.join(shown)} |")
    return "\n".join(lines) + "\n\n" + _reasons()


def _sign(name: str, field: str) -> str:
    if field in absent_of(name) or FIELDS[field].is_hidden(replay_of(name)):
        return "–"  # noqa: RUF001
    if field in known_gaps(name, "sender"):
        return "×"  # noqa: RUF001
    return "○" if field in known_gaps(name) else "●"


def _reasons() -> str:
    lines = ["| record | field | why it is not as billed |", "|---|---|---|"]
    for name in records():
        fields: dict[str, list[str]] = {}
        for field, reason in known_gaps(name).items():
            fields.setdefault(reason, []).append(field)
        lines += [f"| {name} | {', '.join(listed)} | {reason} |" for reason, listed in fields.items()]
    return "\n".join(lines) + "\n"


def packages() -> str:
    """The runs of Python packages."""
    lines = [_HEAD, "|---|---|---|---|"]
    for run in CATALOGUE.values():
        expected = read_expected(run.record)
        versions: dict[str, str] = expected.get("packages") or run.versions()
        state = f"{len(expected['calls'])} calls" if expected else "no"
        lines.append(f"| {run.name} | {', '.join(versions)} | {', '.join(versions.values())} | {state} |")
    lines += [f"| | {each.package} | | no: {each.reason} |" for each in MISSING]
    return "\n".join(lines) + "\n"
