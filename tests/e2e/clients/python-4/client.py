"""Writes the story with Python langfuse 4, under a trace id of its own making (trace_context, so the root has a parent)."""

import json
import sys
from pathlib import Path

from langfuse import Langfuse, propagate_attributes

story = json.loads((Path(__file__).parents[1] / "story.json").read_text(encoding="utf-8"))
marker = sys.argv[1]
if "--again" in sys.argv:
    sys.exit("python-4: start times cannot be set, so the same spans cannot be written again; resend the requests")

langfuse = Langfuse(environment=story["environment"], release=story["release"])
root, nested, generation, failed = (story[part] for part in ("root", "nested", "generation", "failed"))
trace_id = Langfuse.create_trace_id(seed=marker)

with (
    propagate_attributes(
        trace_name=f"{story['name']} {marker}",
        user_id=f"user-{marker}",
        session_id=f"session-{marker}",
        tags=story["tags"],
        metadata={key: value for key, value in story["metadata"].items() if isinstance(value, str)},
        version=story["version"],
    ),
    langfuse.start_as_current_observation(
        trace_context={"trace_id": trace_id}, name=root["name"], input=root["input"], metadata=story["metadata"]
    ) as root_span,
):
    with langfuse.start_as_current_observation(name=nested["name"], input=nested["input"]) as nested_span:
        with langfuse.start_as_current_observation(
            as_type="generation",
            name=generation["name"],
            model=generation["model"],
            model_parameters=generation["modelParameters"],
            input=generation["input"],
        ) as model_call:
            model_call.update(output=generation["output"], usage_details=generation["usage"])
            model_call.score(data_type="CATEGORICAL", **story["scores"]["generation"])
        nested_span.update(output=nested["output"])
    with langfuse.start_as_current_observation(name=failed["name"], input=failed["input"]) as failed_span:
        failed_span.update(level=failed["level"], status_message=failed["statusMessage"])
    root_span.update(output=root["output"])
    root_span.set_trace_io(input=root["input"], output=root["output"])
    root_span.score_trace(data_type="NUMERIC", **story["scores"]["trace"])

langfuse.flush()
langfuse.shutdown()
print(json.dumps({"traceIds": [trace_id]}))
