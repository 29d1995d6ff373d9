"""The table of what was recorded, in README.md between two marks. A run of some rows leaves the others as they are."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

BEGIN: Final = "<!-- table: written by python -m tests.frameworks.js -->"
END: Final = "<!-- end of table -->"
_HEAD: Final = "| record | package | version | calls | bytes | state |\n|---|---|---|---|---|---|"
_ROW: Final = re.compile(r"^\| js-(\S+) \|", re.MULTILINE)


class Row(NamedTuple):
    name: str
    package: str
    version: str
    calls: int = 0
    size: int = 0
    problem: str = ""

    def line(self) -> str:
        state = f"not recorded: {self.problem}" if self.problem else "recorded"
        return f"| js-{self.name} | {self.package} | {self.version} | {self.calls} | {self.size:,} | {state} |"


def write_table(path: Path, rows: Sequence[Row]) -> str:
    """Puts the rows into the file's table, and returns the lines of these rows."""
    text = path.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    table, _, after = rest.partition(END)
    lines = {found.group(1): line for line in table.splitlines() if (found := _ROW.match(line))}
    lines |= {row.name: row.line() for row in rows}
    body = "\n".join(lines[name] for name in sorted(lines))
    path.write_text(f"{before}{BEGIN}\n{_HEAD}\n{body}\n{END}{after}", encoding="utf-8")
    return "\n".join(row.line() for row in rows)
