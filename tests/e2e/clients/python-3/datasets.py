"""A dataset, its items and two experiments with Python langfuse 3, read back and deleted by its helpers."""

import json
import sys
import time

from langfuse import Evaluation, Langfuse

name = sys.argv[1]
langfuse = Langfuse()
langfuse.create_dataset(name=name, description="why", metadata={"k": 1})
for number in (1, 2):
    langfuse.create_dataset_item(
        dataset_name=name, id=f"{name}-{number}", input={"q": number}, expected_output=f"answer {number}"
    )
dataset = langfuse.get_dataset(name)


def exact(*, input, output, expected_output, **_):
    return Evaluation(name="exact", value=1.0 if output == expected_output else 0.0)


def run(run_name, task):
    return dataset.run_experiment(
        name="e", run_name=run_name, description="d", task=task, evaluators=[exact], metadata={"m": run_name}
    )


results = [
    run("base/1", lambda *, item, **_: "wrong"),
    run("with/1", lambda *, item, **_: f"answer {item.input['q']}"),
    run("gone/1", lambda *, item, **_: "gone"),
]
langfuse.flush()
time.sleep(3)  # what is deleted is what has arrived
runs = langfuse.get_dataset_runs(dataset_name=name)
run = langfuse.get_dataset_run(dataset_name=name, run_name="with/1")
langfuse.delete_dataset_run(dataset_name=name, run_name="gone/1")
left = langfuse.get_dataset_runs(dataset_name=name)
print(
    json.dumps(
        {
            "dataset": {"id": dataset.id, "description": dataset.description},
            "items": sorted(item.id for item in dataset.items),
            "ids": [result.dataset_run_id for result in results],
            "runs": sorted(each.name for each in runs.data),
            "left": sorted(each.name for each in left.data),
            "run": [run.description, run.metadata],
            "runItems": sorted(
                [item.dataset_item_id, item.dataset_run_id, item.trace_id] for item in run.dataset_run_items
            ),
        }
    )
)
