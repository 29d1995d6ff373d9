"""Asks for daily metrics with Python langfuse 2: client.api.metrics.daily, the only metrics that it knows."""

import datetime
import json
import sys

from langfuse import Langfuse
from langfuse.api.core import ApiError

asked = json.loads(sys.argv[1])
api = Langfuse().api


def refusal():
    try:
        api.metrics.daily(limit=1000)
    except ApiError as error:
        return [error.status_code, error.body]
    return None


since = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=2)
daily = api.metrics.daily(user_id=asked["userId"], tags=["e2e"], environment="staging", from_timestamp=since, limit=10)
print(json.dumps({"daily": json.loads(daily.json()), "refused": refusal()}))
