"""Reads one trace back with Python langfuse 5, whose API has only observations (v2) and scores (v3)."""

import json
import logging
import sys

from langfuse import Langfuse

trace_id, session_id, user_id = sys.argv[1:]
langfuse = Langfuse(tracing_enabled=False)
api = langfuse.api


def plain(model):
    return json.loads(model.json())


def refusal():
    logging.disable(logging.CRITICAL)
    stranger = Langfuse(public_key="pk-lf-nobody", secret_key="sk-lf-not-the-secret", tracing_enabled=False)
    try:
        stranger.auth_check()
    except Exception as error:
        return error.status_code
    return None


def pages(**asked):
    """All observations, two to a page."""
    cursor = None
    while True:
        page = api.observations.get_many(limit=2, cursor=cursor, **asked)
        yield from page.data
        cursor = page.meta.cursor
        if cursor is None:
            return


everything = "core,basic,io,metadata,model,usage,trace_context"
print(
    json.dumps(
        {
            "authCheck": langfuse.auth_check(),
            "refused": refusal(),
            "observationsV2": [
                plain(each) for each in pages(trace_id=trace_id, fields=everything, expand_metadata="order")
            ],
            "roots": [
                plain(each)
                for each in api.observations.get_many(
                    user_id=user_id, session_id=session_id, is_root_observation=True
                ).data
            ],
            "scoresV3": [plain(each) for each in api.scores.get_many(trace_id=trace_id, fields="details,subject").data],
        }
    )
)
