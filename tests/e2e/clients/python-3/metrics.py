"""Asks for metrics with Python langfuse 3: client.api.metrics (v1) and client.api.metrics_v_2."""

import json
import sys

from langfuse import Langfuse
from langfuse.api.core import ApiError

asked = json.loads(sys.argv[1])
api = Langfuse(tracing_enabled=False).api


def refusal():
    try:
        api.metrics_v_2.metrics(query=asked["bad"])
    except ApiError as error:
        return [error.status_code, error.body]
    return None


print(
    json.dumps(
        {
            "observations": api.metrics_v_2.metrics(query=asked["observations"]).data,
            "scores": api.metrics_v_2.metrics(query=asked["scores"]).data,
            "traces": api.metrics.metrics(query=asked["traces"]).data,
            "refused": refusal(),
        }
    )
)
