"""`make prices`: writes `schemas/prices.json` and its JSON Schema from genai-prices and `schemas/prices.supplement.toml`.

`python -m tailrace.admin.prices` writes, `--check` only compares and fails on drift. The output is a function of the two sources
alone: same sources, same bytes, one block a model. Never run by a service; genai-prices is a package of development.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import msgspec

from tailrace.admin.price_sources import genai_version, priced_models
from tailrace.admin.price_supplement import Supplement, read_supplement
from tailrace.core.money import money_text
from tailrace.core.price_file import DatedPrice, PricedModel, PriceFile, Provider
from tailrace.core.pricing import load_price_table
from tailrace.runtime.resources import schemas

_TABLE = "prices.json"
_SCHEMA = "prices.schema.json"
_SUPPLEMENT = "prices.supplement.toml"


def generate(supplement_text: str) -> dict[str, str]:
    """The generated files by name. Raises ValueError, which names what a source has wrong."""
    supplement = read_supplement(supplement_text)
    body = _body(supplement, priced_models(supplement))
    digest = hashlib.sha256(body.encode()).hexdigest()[:12]
    table = f'{{\n  "$schema": "./{_SCHEMA}",\n  "version": "genai-prices-{genai_version}+{digest}",\n{body}}}\n'
    load_price_table(table.encode())
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(PriceFile)}
    return {_TABLE: table, _SCHEMA: json.dumps(schema, indent=2, ensure_ascii=False) + "\n"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tailrace.admin.prices", description="Refresh the shipped prices.")
    parser.add_argument("--check", action="store_true", help="only compare; fail if the files would change")
    parser.add_argument("--directory", type=Path, help="the schemas folder (default: the checkout's)")
    options = parser.parse_args(arguments)
    directory: Path = options.directory or schemas()
    try:
        files = generate((directory / _SUPPLEMENT).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        print(f"prices: {error}", file=sys.stderr)
        return 2
    if options.check:
        return _check(directory, files)
    for name, text in files.items():
        (directory / name).write_text(text, encoding="utf-8")
        print(f"prices: wrote {directory / name}")
    return 0


def _check(directory: Path, files: dict[str, str]) -> int:
    stale = [name for name, text in files.items() if not _has(directory / name, text)]
    for name in stale:
        print(
            f"prices: {directory / name} is not what its sources make; run `make prices` and look at the diff",
            file=sys.stderr,
        )
    return 1 if stale else 0


def _has(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


def _body(supplement: Supplement, models: list[PricedModel]) -> str:
    providers = [Provider(id=p.id, name=p.name, routes=p.routes) for p in supplement.providers]
    parts = {
        "providers": [f"    {_json(provider)}" for provider in providers],
        "usageTypes": [f"    {_json(usage_type)}" for usage_type in supplement.usage_types],
        "models": [_model_block(model) for model in models],
    }
    return ",\n".join(f'  "{key}": [\n{_lines(lines)}\n  ]' for key, lines in parts.items()) + "\n"


def _model_block(model: PricedModel) -> str:
    head: dict[str, str | bool] = {"model": model.model, "provider": model.provider, "unit": model.unit}
    if model.routed_only:
        head["routedOnly"] = True
    fields = [f'"{key}": {_json(value)}' for key, value in head.items()]
    fields += [
        f'"{key}": {_json(names)}' for key, names in (("exact", model.exact), ("versioned", model.versioned)) if names
    ]
    fields.append(f'"prices": [\n{_lines([_price_block(price) for price in model.prices])}\n      ]')
    return "    {\n" + _lines([f"      {field}" for field in fields]) + "\n    }"


def _price_block(price: DatedPrice) -> str:
    head = msgspec.to_builtins(price, builtin_types=(Decimal,))
    tiers = [f"          {_json(tier)}" for tier in head.pop("tiers")]
    fields = [f'"{key}": {_json(value)}' for key, value in head.items()]
    return "        {" + ", ".join([*fields, f'"tiers": [\n{_lines(tiers)}\n        ]']) + "}"


def _lines(lines: list[str]) -> str:
    return ",\n".join(lines)


def _json(value: object) -> str:
    return json.dumps(
        msgspec.to_builtins(value, builtin_types=(Decimal,)),
        ensure_ascii=False,
        default=lambda amount: money_text(amount) if isinstance(amount, Decimal) else str(amount),
    )


if __name__ == "__main__":
    sys.exit(main())
