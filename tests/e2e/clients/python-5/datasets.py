"""A dataset, its items and two experiments with Python langfuse 5, read back by its experiments API; then a batch evaluation of what ran."""

import datetime
import json
import sys
import time

from langfuse import Evaluation, EvaluatorInputs, Langfuse
from langfuse.api import NotFoundError

name = sys.argv[1]
langfuse = Langfuse()
begun = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=1)


def plain(model):
    return json.loads(model.json())


def poll(read):
    for _ in range(200):
        found = read()
        if found is not None:
            return found
        time.sleep(0.1)
    raise TimeoutError("not there after 20 s")


schema = {"type": "object", "required": ["q"]}
langfuse.create_dataset(name=name, description="why", metadata={"k": 1}, input_schema=schema)
for number in (1, 2, 3):
    langfuse.create_dataset_item(
        dataset_name=name,
        id=f"{name}-{number}",
        input={"q": number},
        expected_output=f"answer {number}",
        metadata={"n": number},
    )
first = langfuse.get_dataset(name)
langfuse.create_dataset_item(dataset_name=name, id=f"{name}-3", status="ARCHIVED")
dataset = langfuse.get_dataset(name)
before = langfuse.get_dataset(name, version=max(item.updated_at for item in first.items))
try:
    langfuse.create_dataset_item(dataset_name=name, input={"no": "q"})
    refused = None
except Exception as error:
    refused = error.status_code
try:
    langfuse.api.datasets.get(f"{name}-none".replace("/", "%2F"))
    missing = None
except NotFoundError as error:
    missing = error.status_code


def exact(*, input, output, expected_output, **_):
    return Evaluation(name="exact", value=1.0 if output == expected_output else 0.0)


def mean(*, item_results, **_):
    values = [evaluation.value for result in item_results for evaluation in result.evaluations]
    return Evaluation(name="mean", value=sum(values) / len(values))


def run(run_name, task):
    return dataset.run_experiment(
        name="e",
        run_name=run_name,
        description="d",
        task=task,
        evaluators=[exact],
        run_evaluators=[mean],
        metadata={"m": run_name},
    )


results = [
    run("base/1", lambda *, item, **_: "wrong"),
    run("with/1", lambda *, item, **_: f"answer {item.input['q']}"),
]
langfuse.flush()
ids = [result.dataset_run_id for result in results]


def experiments():
    found = langfuse.api.experiments.list(from_start_time=begun, fields="metadata,scores", id=",".join(ids)).data
    whole = len(found) == 2 and all(one.item_count == 2 and one.scores for one in found)
    return sorted(found, key=lambda one: one.name) if whole else None


def items():
    fields = "core,dataset,io,metadata,itemMetadata,experimentMetadata,scores"
    found = langfuse.api.experiments.list_items(from_start_time=begun, fields=fields, experiment_id=ids[1]).data
    return found if len(found) == 2 and all(one.scores for one in found) else None


found_experiments, found_items = poll(experiments), poll(items)
of_run = langfuse.api.scores.get_many(experiment_id=ids[1], fields="subject").data
evaluated = langfuse.run_batched_evaluation(
    mapper=lambda *, item: EvaluatorInputs(
        input=item.input, output=item.output, expected_output=None, metadata={"id": item.id}
    ),
    evaluators=[lambda *, input, output, **_: Evaluation(name="length", value=len(output or ""))],
    filter=json.dumps([{"type": "string", "column": "traceId", "operator": "=", "value": found_items[0].trace_id}]),
)
print(
    json.dumps(
        {
            "dataset": {"id": dataset.id, "description": dataset.description, "schema": dataset.input_schema},
            "items": sorted(item.id for item in dataset.items),
            "before": sorted(item.id for item in before.items),
            "refused": refused,
            "missing": missing,
            "ids": ids,
            "experiments": [plain(one) for one in found_experiments],
            "experimentItems": [plain(one) for one in found_items],
            "runScores": [[score.name, score.value] for score in of_run],
            "evaluated": [evaluated.completed, evaluated.total_items_processed, evaluated.total_scores_created],
        },
        default=str,
    )
)
