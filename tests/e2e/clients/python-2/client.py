"""Writes the story with the decorators of Python langfuse 2: the outermost function is the trace itself.

Ids and end times come from the marker and `--at`, so a second run with the same two writes the same rows again, whose
start times (the time of the call, which cannot be set) must be those of the first.
"""

import json
import sys
import uuid
from datetime import datetime, timedelta
from pathlib import Path

from langfuse.decorators import langfuse_context, observe

story = json.loads((Path(__file__).parents[1] / "story.json").read_text(encoding="utf-8"))
marker = sys.argv[1]
started = datetime.fromisoformat(sys.argv[sys.argv.index("--at") + 1])
root, nested, generation, failed = (story[part] for part in ("root", "nested", "generation", "failed"))


def own_id(part):
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{marker}/{part}"))


def ended(seconds):
    """The start is the time of the call; only the end can be told, and must be the same in a second run."""
    return {"end_time": started + timedelta(seconds=seconds)}


@observe(name=generation["name"], as_type="generation")
def ask_model(messages):
    langfuse_context.update_current_observation(
        model=generation["model"],
        model_parameters=generation["modelParameters"],
        input=messages,
        usage_details=generation["usage"],
        **ended(10),
    )
    langfuse_context.score_current_observation(
        id=own_id("tone"), data_type="CATEGORICAL", **story["scores"]["generation"]
    )
    return generation["output"]


@observe(name=nested["name"])
def draft_answer(facts):
    langfuse_context.update_current_observation(**ended(11))
    ask_model(generation["input"], langfuse_observation_id=own_id("generation"))
    return nested["output"]


@observe(name=failed["name"])
def notify_courier(order):
    langfuse_context.update_current_observation(**ended(12))
    raise RuntimeError(failed["statusMessage"])


@observe(name=root["name"])
def handle_question(question):
    langfuse_context.update_current_trace(
        name=f"{story['name']} {marker}",
        user_id=f"user-{marker}",
        session_id=f"session-{marker}",
        tags=story["tags"],
        metadata=story["metadata"],
        version=story["version"],
        release=story["release"],
        input=question,
    )
    draft_answer(nested["input"], langfuse_observation_id=own_id("nested"))
    try:
        notify_courier(failed["input"], langfuse_observation_id=own_id("failed"))
    except RuntimeError:
        pass
    langfuse_context.score_current_trace(id=own_id("helpfulness"), data_type="NUMERIC", **story["scores"]["trace"])
    return root["output"]


langfuse_context.configure(environment=story["environment"], release=story["release"])
handle_question(root["input"], langfuse_observation_id=own_id("trace"))
langfuse_context.flush()
print(json.dumps({"traceIds": [own_id("trace")]}))
