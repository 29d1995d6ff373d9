"""Experiments: the ids that runs and their items are known by, computed from what they are, so that every sender finds the same ones.

The formula of runs is the one that SDKs compute themselves (Langfuse's Python SDK from 5.0 on).
"""

import json
from hashlib import sha256
from typing import Final

_RUN: Final = "langfuse-experiment-v1"
_RUN_ITEM: Final = "tailrace-run-item-v1"


def run_id(project_id: str, dataset_id: str, run_name: str) -> str:
    """The id of a dataset's run, which is its experiment's: 16 hex digits.

    >>> run_id("p", "d", "first")
    '3fabc69c9bc8925e'
    """
    return _digest(_RUN, project_id, dataset_id, run_name)[:16]


def run_item_id(run: str, item_id: str, trace_id: str) -> str:
    """The id of the execution of an item in a run: 32 hex digits. A link that is sent again is the same one."""
    return _digest(_RUN_ITEM, run, item_id, trace_id)[:32]


def _digest(*parts: str) -> str:
    text = json.dumps(parts, separators=(",", ":"), ensure_ascii=False)
    return sha256(text.encode("utf-8", "replace")).hexdigest()
