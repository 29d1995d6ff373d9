"""Scores with Python langfuse 5: configs, scores of every type and about every subject, a deletion, an annotation queue and a comment.

Prints what the SDK's own parser made of the answers.
"""

import json
import sys
import time

from langfuse import Langfuse
from langfuse.api.commons.types import ConfigCategory
from langfuse.api.core.api_error import ApiError

name, project_id = sys.argv[1:]
langfuse = Langfuse()
api = langfuse.api


def plain(answer):
    return json.loads(answer.json())


def until(holds):
    for _ in range(200):
        found = holds()
        if found is not None:
            return found
        time.sleep(0.1)
    raise SystemExit("what was sent did not become readable")


def error_of(call):
    try:
        call()
    except ApiError as error:
        return [error.status_code, error.body.get("error") if isinstance(error.body, dict) else None]
    return None


tone = api.score_configs.create(
    name=f"tone {name}",
    data_type="CATEGORICAL",
    categories=[ConfigCategory(label="good", value=2), ConfigCategory(label="bad", value=-1)],
)
grade = api.score_configs.create(name=f"grade {name}", data_type="NUMERIC", min_value=0, max_value=1)
updated = api.score_configs.update(grade.id, description="from 0 to 1")
gone = api.score_configs.create(name="gone", data_type="BOOLEAN")
archived = api.score_configs.update(gone.id, is_archived=True)

with langfuse.start_as_current_observation(name=f"scored {name}") as span:
    trace_id, span_id = span.trace_id, span.id
    langfuse.score_current_trace(name="current trace", value=0.25, score_id=f"{name}-current-trace")
    langfuse.score_current_span(name="current span", value="fine", score_id=f"{name}-current-span")


def score(what, value, **values):
    target = {"trace_id": trace_id} if not {"session_id", "dataset_run_id"} & values.keys() else {}
    langfuse.create_score(name=what, value=value, score_id=f"{name}-{what}", **target, **values)


score("numeric", 0.5, comment="so so", metadata={"by": "hand"})
score("boolean", 1, data_type="BOOLEAN", observation_id=span_id)
score("categorical", "good", data_type="CATEGORICAL", config_id=tone.id)
score("text", "some words", data_type="TEXT")
score("correction", "the better answer", data_type="CORRECTION")
score("session", 3, session_id=f"{name}-session")
score("run", 4, dataset_run_id=f"{name}-run")
score("graded", 0.75, config_id=grade.id)
score("deleted", 9)
score("too large", 7, config_id=grade.id)
score("archived", 1, config_id=gone.id, data_type="BOOLEAN")
langfuse.flush()

expected = {
    "current-trace",
    "current-span",
    "numeric",
    "boolean",
    "categorical",
    "text",
    "correction",
    "session",
    "run",
    "graded",
}
expected = {f"{name}-{one}" for one in expected}


wanted = ",".join([*expected, *(f"{name}-{one}" for one in ("deleted", "too large", "archived"))])


def listed_now():
    return {one.id: plain(one) for one in api.scores.get_many(fields="details,subject", limit=100, id=wanted).data}


def listed():
    found = listed_now()
    return found if expected | {f"{name}-deleted"} <= found.keys() else None


until(listed)
api.scores.delete(f"{name}-deleted")
scores = until(lambda: found if f"{name}-deleted" not in (found := listed_now()) else None)
score("deleted", 9)
langfuse.flush()

queue = api.annotation_queues.create_queue(name=f"queue {name}", description="look", score_config_ids=[tone.id])
item = api.annotation_queues.create_queue_item(queue.id, object_id=trace_id, object_type="TRACE")
other = api.annotation_queues.create_queue_item(queue.id, object_id=span_id, object_type="OBSERVATION")
completed = api.annotation_queues.update_queue_item(queue.id, item.id, status="COMPLETED")
items = api.annotation_queues.list_queue_items(queue.id, status="PENDING")
removed = api.annotation_queues.delete_queue_item(queue.id, other.id)
assigned = api.annotation_queues.create_queue_assignment(queue.id, user_id="ada")
unassigned = api.annotation_queues.delete_queue_assignment(queue.id, user_id="ada")
comment = api.comments.create(project_id=project_id, object_type="TRACE", object_id=trace_id, content="well said")

print(
    json.dumps(
        {
            "traceId": trace_id,
            "spanId": span_id,
            "configs": {"tone": plain(tone), "grade": plain(updated), "gone": plain(archived)},
            "sameConfig": plain(api.score_configs.get_by_id(tone.id)) == plain(tone),
            "listedConfigs": [one.id for one in api.score_configs.get(limit=100).data],
            "scores": {id_.removeprefix(f"{name}-"): one for id_, one in scores.items()},
            "queue": plain(api.annotation_queues.get_queue(queue.id)),
            "queues": [one.id for one in api.annotation_queues.list_queues(limit=100).data],
            "completed": plain(completed),
            "pending": [one.id for one in items.data] == [other.id],
            "removed": plain(removed),
            "assigned": plain(assigned),
            "unassigned": plain(unassigned),
            "comment": plain(api.comments.get_by_id(comment.id)),
            "comments": [one.content for one in api.comments.get(object_type="TRACE", object_id=trace_id).data],
            "missing": [
                error_of(lambda: api.score_configs.get_by_id("none")),
                error_of(lambda: api.annotation_queues.get_queue("none")),
                error_of(lambda: api.annotation_queues.get_queue_item(queue.id, other.id)),
                error_of(lambda: api.comments.get_by_id("none")),
            ],
            "invalid": [
                error_of(lambda: api.score_configs.create(name="", data_type="NUMERIC")),
                error_of(
                    lambda: api.comments.create(project_id="other", object_type="TRACE", object_id="t", content="x")
                ),
            ],
        }
    )
)
