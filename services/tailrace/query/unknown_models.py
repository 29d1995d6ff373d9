"""Our own API on what has no price: models as they were sent that neither the project nor the shipped table knows."""

from datetime import timedelta
from typing import Any, Final

from tailrace.query.endpoint import Answer, Call
from tailrace.query.json_text import embed_instant, embed_number
from tailrace.query.listing import page_meta
from tailrace.query.parameters import instant, page
from tailrace.query.rows import UnknownModel
from tailrace.query.sql import statement

DAYS: Final = 30
"""How far back is looked, unless `from` tells."""


async def list_unknown_models(call: Call) -> Answer:
    """A counted page, the most frequent first. `from` and `to` bound the starts of the observations."""
    asked = page(call.query)
    last = instant(call.query, "to") or call.now + timedelta(days=1)
    first = instant(call.query, "from") or last - timedelta(days=DAYS + 1)
    values = (call.project_id, first, last)
    async with call.database.snapshot() as reader:
        query = statement("list_unknown_models")
        found = await reader.rows(UnknownModel, query, (*values, asked.limit, asked.offset))
        beyond = not found and asked.number > 1
        counted = await reader.row(UnknownModel, query, (*values, 1, 0)) if beyond else next(iter(found), None)
    total = 0 if counted is None else counted.total
    return Answer(
        lambda: {"data": [_shape(call.project_id, one) for one in found], "meta": page_meta(asked, total)}, len(found)
    )


def _shape(project_id: str, one: UnknownModel) -> dict[str, Any]:
    return {
        "projectId": project_id,
        "model": one.model,
        "observations": one.observations,
        "tokens": embed_number(one.tokens),
        "firstSeen": embed_instant(one.first_seen_at),
        "lastSeen": embed_instant(one.last_seen_at),
    }
