"""Which paths of datasets, their items and runs, and experiments go to which handler. What a path names is found before it is decoded."""

from typing import Final, NamedTuple

from starlette.routing import Route

from tailrace.query.dataset_items import DatasetItems
from tailrace.query.dataset_paths import dataset_path
from tailrace.query.dataset_requests import MAX_BODY_BYTES
from tailrace.query.dataset_runs import delete_run, get_runs, link_item, list_run_items
from tailrace.query.datasets import Datasets
from tailrace.query.endpoint import Answer, Call, Endpoints, Handler
from tailrace.query.experiments import list_experiment_items, list_experiments
from tailrace.query.item_checks import ItemChecks
from tailrace.query.json_schemas import JsonSchemas
from tailrace.query.run_comparison import compare_runs

_V1: Final = "/api/public/datasets"
_V2: Final = "/api/public/v2/datasets"
_ITEMS: Final = "/api/public/dataset-items"
_RUN_ITEMS: Final = "/api/public/dataset-run-items"
_OURS: Final = "/api/tailrace/v1/datasets/{id:id}"


class _Path(NamedTuple):
    method: str
    path: str
    handler: Handler


def dataset_routes(endpoints: Endpoints) -> list[Route]:
    """All of them."""
    checks = ItemChecks(JsonSchemas())
    datasets, items = Datasets(checks), DatasetItems(checks)

    async def get_v1(call: Call) -> Answer:
        path = dataset_path(call.raw_path, "/datasets/")
        return await (get_runs(call) if path.runs or path.run is not None else datasets.get_v1(call))

    paths = (
        _Path("GET", _V2, datasets.list),
        _Path("POST", _V2, datasets.put),
        _Path("GET", _V2 + "/{id:id}", datasets.get),
        _Path("GET", _V1, datasets.list_v1),
        _Path("POST", _V1, datasets.put_v1),
        _Path("GET", _V1 + "/{id:id}", get_v1),
        _Path("DELETE", _V1 + "/{id:id}", delete_run),
        _Path("GET", _ITEMS, items.list),
        _Path("POST", _ITEMS, items.put),
        _Path("GET", _ITEMS + "/{id:id}", items.get),
        _Path("DELETE", _ITEMS + "/{id:id}", items.delete),
        _Path("GET", _RUN_ITEMS, list_run_items),
        _Path("POST", _RUN_ITEMS, link_item),
        _Path("GET", "/api/public/experiments", list_experiments),
        _Path("GET", "/api/public/experiment-items", list_experiment_items),
        _Path("GET", _OURS, compare_runs),
        _Path("POST", _OURS, items.put_from_trace),
    )
    return [endpoints.route(one.path, one.handler, method=one.method, max_body_bytes=MAX_BODY_BYTES) for one in paths]
