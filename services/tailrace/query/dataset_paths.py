"""Names of datasets and runs in paths: the path as it was sent in, decoded names out.

Most clients encode a slash in a name as %2F; some send it raw. So what follows a name is found from the right end of the path before decoding.
"""

from typing import NamedTuple
from urllib.parse import unquote

from tailrace.query.errors import NotFoundError
from tailrace.query.parameters import clean_text


class DatasetPath(NamedTuple):
    """A dataset, and a run of it if `run` is not None; `runs`: all of its runs."""

    name: str
    run: str | None = None
    runs: bool = False


def dataset_path(raw_path: str, prefix: str) -> DatasetPath:
    """What `prefix` + `{name}`, `{name}/runs` or `{name}/runs/{run}` names."""
    rest = raw_path[raw_path.find(prefix) + len(prefix) :]
    name, found, run = rest.rpartition("/runs/")
    if found and name and run:
        return DatasetPath(_decoded(name), _decoded(run))
    if rest.endswith("/runs") and rest != "/runs":
        return DatasetPath(_decoded(rest.removesuffix("/runs")), runs=True)
    return DatasetPath(_decoded(rest))


def name_before(raw_path: str, prefix: str, suffix: str) -> str:
    """The name between `prefix` and `suffix`. Raises NotFoundError where the path does not end so."""
    rest = raw_path[raw_path.find(prefix) + len(prefix) :]
    if not rest.endswith(suffix) or rest == suffix:
        raise NotFoundError("there is no such route")
    return _decoded(rest.removesuffix(suffix))


def spellings(name: str) -> list[str]:
    """How a name in a query can be meant: as it is, or encoded once more, as the Python SDK 2 sends it."""
    decoded = clean_text(unquote(name))
    return [name] if decoded == name else [name, decoded]


def _decoded(text: str) -> str:
    return clean_text(unquote(text))
