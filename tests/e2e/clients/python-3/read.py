"""Reads one trace back with Python langfuse 3: client.api.trace, observations, sessions and scores."""

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


listed = api.observations.get_many(trace_id=trace_id).data
newer = api.observations_v_2.get_many(
    trace_id=trace_id, fields="core,basic,io,metadata,model,usage,trace_context", expand_metadata="order"
)
print(
    json.dumps(
        {
            "authCheck": langfuse.auth_check(),
            "refused": refusal(),
            "trace": plain(api.trace.get(trace_id)),
            "traces": [plain(each) for each in api.trace.list(user_id=user_id).data],
            "observations": [plain(each) for each in listed],
            "observation": plain(api.observations.get(listed[0].id)),
            "observationsV2": [each if isinstance(each, dict) else plain(each) for each in newer.data],
            "session": plain(api.sessions.get(session_id)),
            "sessions": [each.id for each in api.sessions.list(limit=100).data if each.id == session_id],
            "scores": [plain(each) for each in api.score_v_2.get(trace_id=trace_id).data],
        }
    )
)
