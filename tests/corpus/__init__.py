"""Records as releases wrote them, which every later release must read: a folder for each version of raw records, see README.md.

In: the files beside this one. Out: raw records in the order of their log, what an assembler made of them, and the rows of a database.
"""

import json
from pathlib import Path
from typing import Any, Final

from tailrace.assembler.batch import RawRecord
from tailrace.core.pricing import PriceTable, load_price_table

FOLDER: Final = Path(__file__).parent
PROJECT: Final = "corpus"


class Corpus:
    """What one version of the schemas left behind."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.version = int(folder.name.removeprefix("v"))

    @property
    def prices(self) -> PriceTable:
        """The prices of its time."""
        return load_price_table((self._folder / "prices.json").read_bytes())

    def raw(self) -> list[RawRecord]:
        """The raw records of one partition, in order."""
        headers: list[dict[str, str]] = json.loads((self._folder / "raw.json").read_text(encoding="utf-8"))
        return [
            RawRecord(
                offset,
                {name: value.encode() for name, value in one.items() if name != "file"},
                (self._folder / one["file"]).read_bytes(),
            )
            for offset, one in enumerate(headers)
        ]

    def records(self, kind: str) -> list[bytes]:
        """The records of a topic, `assembled`, `cost` or `dead`, in order."""
        return (self._folder / f"{kind}.jsonl").read_bytes().splitlines()

    def rows(self) -> dict[str, list[dict[str, Any]]]:
        """What these records left in each table."""
        return json.loads((self._folder / "rows.json").read_text(encoding="utf-8"))


def corpora() -> list[Corpus]:
    """All of them, the oldest first."""
    return [Corpus(folder) for folder in sorted(FOLDER.glob("v*"), key=lambda folder: int(folder.name[1:]))]
