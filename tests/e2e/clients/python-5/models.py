"""Writes, reads and deletes models with Python langfuse 5, and sends a generation that one of them prices."""

import datetime
import json
import sys

from langfuse import Langfuse
from langfuse.api import NotFoundError
from langfuse.api.commons.types import PricingTierAttributeCondition, PricingTierInput, PricingTierUsageConditionInput

name = sys.argv[1]
langfuse = Langfuse()
models = langfuse.api.models


def plain(model):
    return json.loads(model.json())


def missing(id_):
    try:
        models.get(id_)
    except NotFoundError as error:
        return error.status_code
    return None


flat = models.create(
    model_name=name,
    match_pattern=f"(?i)^({name})$",
    unit="TOKENS",
    start_date=datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
    input_price=0.001,
    output_price=0.002,
    tokenizer_id="openai",
    tokenizer_config={"tokenizerModel": "gpt-4o"},
)
tiers = [
    PricingTierInput(name="Standard", is_default=True, priority=0, conditions=[], prices={"input": 0.5, "output": 1}),
    PricingTierInput(
        name="Priority",
        priority=1,
        conditions=[
            PricingTierUsageConditionInput(usage_detail_pattern="^input", operator="gte", value=3),
            PricingTierAttributeCondition(source="model_parameters", key="service_tier", values=["priority"]),
        ],
        prices={"input": 5, "output": 10},
    ),
]
upserted = models.upsert(
    f"{name}/tiered", model_name=f"{name}-tiered", match_pattern=f"^{name}-t", unit="TOKENS", pricing_tiers=tiers
)
gone = models.create(model_name=f"{name}-gone", match_pattern="^never$", unit="IMAGES", total_price=1)
models.delete(gone.id)
with langfuse.start_as_current_observation(as_type="generation", name=name, model=f"{name}-tiered-7") as generation:
    generation.update(
        model_parameters={"service_tier": "priority"}, usage_details={"input": 3, "output": 2}, output="done"
    )
    trace_id = generation.trace_id
langfuse.flush()
listed = models.list(page=1, limit=20)
print(
    json.dumps(
        {
            "flat": plain(flat),
            "same": plain(models.get(flat.id)) == plain(flat),
            "upserted": plain(upserted),
            "missing": missing(gone.id),
            "listed": [each.id for each in listed.data],
            "counted": [listed.meta.page, listed.meta.limit, listed.meta.total_items, listed.meta.total_pages],
            "shipped": plain(models.get("gpt-4o")),
            "traceId": trace_id,
        }
    )
)
