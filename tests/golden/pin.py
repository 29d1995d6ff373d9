"""`python -m tests.golden.pin [model …]`: pin the shipped prices of models that cases name for the first time, and of those named here."""

import json
import sys
from typing import Any, Final

from tailrace.core.pricing import load_price_table
from tailrace.runtime.resources import schemas
from tests.golden.cases import PRICES, read_cases

VERSION: Final = "golden"


def pin(anew: set[str]) -> dict[str, Any]:
    """The pinned table with every model that a case names; `anew`: the models whose shipped prices replace the pinned ones."""
    shipped: dict[str, Any] = json.loads((schemas() / "prices.json").read_bytes())
    table = load_price_table(shipped)
    pinned = {_key(entry): entry for entry in json.loads(PRICES.read_bytes())["models"]} if PRICES.exists() else {}
    entries = {_key(entry): entry for entry in shipped["models"]}
    models: dict[tuple[str, str], Any] = {}
    for case in read_cases():
        price = None if case.model is None else table.match(case.model, case.start)
        if price is not None:
            key = (price.provider, price.model)
            models[key] = entries[key] if key not in pinned or price.model in anew else pinned[key]
    return shipped | {"version": VERSION, "models": [models[key] for key in sorted(models)]}


def _key(entry: dict[str, Any]) -> tuple[str, str]:
    return entry["provider"], entry["model"]


if __name__ == "__main__":
    table = pin(set(sys.argv[1:]))
    PRICES.write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n")
    print(f"{len(table['models'])} models are pinned in {PRICES.name}")
