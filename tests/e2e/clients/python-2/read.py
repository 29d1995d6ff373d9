"""Reads one trace back with Python langfuse 2: fetch_trace, fetch_observations, fetch_sessions, as its documentation has it."""

import json
import sys

from langfuse import Langfuse

trace_id, session_id, user_id = sys.argv[1:]
langfuse = Langfuse()


def plain(model):
    return json.loads(model.json())


def refusal():
    try:
        Langfuse(public_key="pk-lf-nobody", secret_key="sk-lf-not-the-secret").auth_check()
    except Exception as error:
        return error.status_code
    return None


trace = langfuse.fetch_trace(trace_id).data
sessions = langfuse.fetch_sessions(limit=100).data
listed = langfuse.fetch_observations(trace_id=trace_id).data
print(
    json.dumps(
        {
            "authCheck": langfuse.auth_check(),
            "refused": refusal(),
            "trace": plain(trace),
            "traces": [plain(each) for each in langfuse.fetch_traces(user_id=user_id).data],
            "observations": [plain(each) for each in listed],
            "observation": plain(langfuse.fetch_observation(listed[0].id).data),
            "sessions": [each.id for each in sessions if each.id == session_id],
        }
    )
)
