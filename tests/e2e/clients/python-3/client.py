"""Writes the story with Python langfuse 3: start_as_current_span, start_as_current_generation and update_trace."""

import json
import sys
from pathlib import Path

from langfuse import Langfuse

story = json.loads((Path(__file__).parents[1] / "story.json").read_text(encoding="utf-8"))
marker = sys.argv[1]
if "--again" in sys.argv:
    sys.exit("python-3: start times cannot be set, so the same spans cannot be written again; resend the requests")

langfuse = Langfuse(environment=story["environment"], release=story["release"])
root, nested, generation, failed = (story[part] for part in ("root", "nested", "generation", "failed"))

with langfuse.start_as_current_span(
    name=root["name"], input=root["input"], metadata=story["metadata"], version=story["version"]
) as root_span:
    root_span.update_trace(
        name=f"{story['name']} {marker}",
        user_id=f"user-{marker}",
        session_id=f"session-{marker}",
        tags=story["tags"],
        metadata=story["metadata"],
        version=story["version"],
    )
    with langfuse.start_as_current_span(name=nested["name"], input=nested["input"]) as nested_span:
        with langfuse.start_as_current_generation(
            name=generation["name"],
            model=generation["model"],
            model_parameters=generation["modelParameters"],
            input=generation["input"],
        ) as model_call:
            model_call.update(output=generation["output"], usage_details=generation["usage"])
            model_call.score(data_type="CATEGORICAL", **story["scores"]["generation"])
        nested_span.update(output=nested["output"])
    with langfuse.start_as_current_span(name=failed["name"], input=failed["input"]) as failed_span:
        failed_span.update(level=failed["level"], status_message=failed["statusMessage"])
    root_span.update(output=root["output"])
    root_span.update_trace(input=root["input"], output=root["output"])
    root_span.score_trace(data_type="NUMERIC", **story["scores"]["trace"])
    trace_id = root_span.trace_id

langfuse.flush()
langfuse.shutdown()
print(json.dumps({"traceIds": [trace_id]}))
