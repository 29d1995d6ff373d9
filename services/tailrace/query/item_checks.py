"""Whether items fit their dataset's schemas: items in, an error that names the item and the place in it out."""

from collections.abc import Sequence
from typing import Final

from tailrace.query.dataset_rows import ItemRead
from tailrace.query.errors import InvalidBodyError, InvalidRequestError
from tailrace.query.json_schemas import JsonSchemas

_fields: Final = (("input", "inputSchema"), ("expectedOutput", "expectedOutputSchema"))


class ItemChecks:
    """Checks by JSON Schemas. What an item does not have is null there."""

    def __init__(self, schemas: JsonSchemas) -> None:
        self._schemas = schemas

    async def check_schemas(self, *schemas: str | None) -> None:
        """Raises InvalidRequestError for what is no JSON Schema. In order: of the input, of the expected output."""
        for (_, path), schema in zip(_fields, schemas, strict=True):
            if schema is not None:
                await self._schemas.check(schema, [], path)

    async def check_item(self, schemas: Sequence[str | None], values: Sequence[str | None]) -> None:
        """An item that is about to be written: its input and expected output. Raises InvalidBodyError with every fault."""
        faults: list[InvalidRequestError] = []
        for (field, path), schema, value in zip(_fields, schemas, values, strict=True):
            if schema is None:
                continue
            fault = await self._schemas.check(schema, [value or "null"], path)
            if fault is not None:
                message = f"{field} does not fit the dataset's {path}: {fault.message}"
                faults.append(InvalidRequestError(message, field, *fault.path))
        if faults:
            raise InvalidBodyError(faults)

    async def check_stored(self, schemas: Sequence[str | None], items: Sequence[ItemRead]) -> None:
        """Items that are there, under schemas that are new. Raises InvalidRequestError for the first that does not fit."""
        for number, ((field, path), schema) in enumerate(zip(_fields, schemas, strict=True)):
            if schema is None or not items:
                continue
            values = [(item.input, item.expected_output)[number] or "null" for item in items]
            fault = await self._schemas.check(schema, values, path)
            if fault is not None:
                item = items[fault.at]
                raise InvalidRequestError(
                    f"the {field} of the item {item.id!r}, which is there, does not fit: {fault.message}", path
                )
