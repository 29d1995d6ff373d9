"""A dataset, its items and two runs with Python langfuse 2: items are linked to traces."""

import json
import sys

from langfuse import Langfuse

name = sys.argv[1]
langfuse = Langfuse()
langfuse.create_dataset(name=name, description="why", metadata={"k": 1})
for number in (1, 2):
    langfuse.create_dataset_item(
        dataset_name=name, id=f"{name}-{number}", input={"q": number}, expected_output=f"answer {number}"
    )
dataset = langfuse.get_dataset(name)
for run_name, answer in (("base/1", lambda item: "wrong"), ("with/1", lambda item: item.expected_output)):
    for item in dataset.items:
        trace = langfuse.trace(name="task", input=item.input, output=answer(item))
        item.link(trace, run_name, run_description="d", run_metadata={"m": run_name})
        langfuse.score(trace_id=trace.id, name="exact", value=1.0 if answer(item) == item.expected_output else 0.0)
langfuse.flush()
runs = langfuse.get_dataset_runs(name)
run = langfuse.get_dataset_run(name, "with/1")
print(
    json.dumps(
        {
            "dataset": {"id": dataset.id, "description": dataset.description},
            "items": sorted(item.id for item in dataset.items),
            "one": langfuse.get_dataset_item(f"{name}-1").input,
            "ids": [each.id for each in sorted(runs.data, key=lambda each: each.name)],
            "runs": sorted(each.name for each in runs.data),
            "run": [run.description, run.metadata],
            "runItems": sorted(
                [item.dataset_item_id, item.dataset_run_id, item.trace_id] for item in run.dataset_run_items
            ),
        }
    )
)
