"""Scores with Python langfuse 2: a config, scores of the types that it knows, a deletion, items of a queue and a comment.

Prints what the SDK's own parser made of the answers.
"""

import json
import sys
import time

from langfuse import Langfuse
from langfuse.api.resources.comments.types import CreateCommentRequest
from langfuse.api.resources.commons.types import ConfigCategory
from langfuse.api.resources.score_configs.types import CreateScoreConfigRequest

name, project_id = sys.argv[1:]
langfuse = Langfuse()
api = langfuse.client


def plain(answer):
    return json.loads(answer.json())


def until(holds):
    for _ in range(200):
        found = holds()
        if found is not None:
            return found
        time.sleep(0.1)
    raise SystemExit("what was sent did not become readable")


tone = api.score_configs.create(
    request=CreateScoreConfigRequest(
        name=f"tone {name}",
        dataType="CATEGORICAL",
        categories=[ConfigCategory(label="good", value=2), ConfigCategory(label="bad", value=-1)],
    )
)
trace = langfuse.trace(id=f"{name}-trace", name=f"scored {name}")
span = trace.span(id=f"{name}-span", name="work")
trace.score(id=f"{name}-current-trace", name="current trace", value=0.25)
span.score(id=f"{name}-current-span", name="current span", value="fine")


def score(what, value, **values):
    langfuse.score(id=f"{name}-{what}", name=what, value=value, trace_id=trace.id, **values)


score("numeric", 0.5, comment="so so")
score("boolean", 1, data_type="BOOLEAN", observation_id=span.id)
score("categorical", "good", data_type="CATEGORICAL", config_id=tone.id)
score("too large", "awful", data_type="CATEGORICAL", config_id=tone.id)
score("deleted", 9)
langfuse.flush()

expected = {f"{name}-{one}" for one in ("current-trace", "current-span", "numeric", "boolean", "categorical")}
wanted = ",".join([*expected, *(f"{name}-{one}" for one in ("deleted", "too large"))])


def listed_now():
    return {one.id: plain(one) for one in api.score.get(limit=100, score_ids=wanted).data}


def listed():
    found = listed_now()
    return found if expected | {f"{name}-deleted"} <= found.keys() else None


until(listed)
api.score.delete(f"{name}-deleted")
scores = until(lambda: found if f"{name}-deleted" not in (found := listed_now()) else None)
score("deleted", 9)
langfuse.flush()
comment = api.comments.create(
    request=CreateCommentRequest(projectId=project_id, objectType="TRACE", objectId=trace.id, content="well said")
)

print(
    json.dumps(
        {
            "traceId": trace.id,
            "spanId": span.id,
            "configs": {"tone": plain(tone)},
            "sameConfig": plain(api.score_configs.get_by_id(tone.id)) == plain(tone),
            "listedConfigs": [one.id for one in api.score_configs.get(limit=100).data],
            "scores": {id_.removeprefix(f"{name}-"): one for id_, one in scores.items()},
            "single": plain(api.score.get_by_id(f"{name}-numeric"))["value"],
            "queues": [one.id for one in api.annotation_queues.list_queues(limit=100).data],
            "comment": plain(api.comments.get_by_id(comment.id)),
            "comments": [one.content for one in api.comments.get(object_type="TRACE", object_id=trace.id).data],
        }
    )
)
