"""Writes, reads, labels, lists and deletes prompts with Python langfuse 4, and sends a generation that is linked to one."""

import json
import sys

from langfuse import Langfuse

name = sys.argv[1]
langfuse = Langfuse()
prompts = langfuse.api.prompts


def plain(model):
    return json.loads(model.json())


def encoded(part):
    return part.replace("/", "%2F").replace(" ", "%20")


def status(call):
    try:
        call()
    except Exception as error:
        return error.status_code
    return None


made = langfuse.create_prompt(
    name=name,
    prompt="Hello {{who}}",
    labels=["production"],
    tags=["greeting"],
    config={"model": "gpt-4o", "temperature": 0.5},
    commit_message="first",
)
second = langfuse.create_prompt(name=name, prompt="Hi {{who}}", labels=["staging"])
production = langfuse.get_prompt(name)
cached = langfuse.get_prompt(name) is production
staging = langfuse.get_prompt(name, label="staging")
first = langfuse.get_prompt(name, version=1)
updated = langfuse.update_prompt(name=name, version=2, new_labels=["production"])
moved = langfuse.get_prompt(name)

langfuse.create_prompt(
    name=f"{name}/chat",
    type="chat",
    prompt=[
        {"role": "system", "content": "You are {{who}}"},
        {"type": "placeholder", "name": "history"},
        {"role": "user", "content": "{{question}}"},
    ],
    labels=["production"],
)
chat = langfuse.get_prompt(f"{name}/chat", type="chat")
messages = chat.compile(who="Ann", question="Why?", history=[{"role": "user", "content": "Earlier"}])

langfuse.create_prompt(
    name=f"{name}/whole", prompt=f"<@@@langfusePrompt:name={name}|version=1@@@>", labels=["production"]
)
whole = prompts.get(encoded(f"{name}/whole"))

fallback = langfuse.get_prompt(f"{name}/none", fallback="Oh {{who}}", max_retries=0)
listed = prompts.list(name=name)
page = prompts.list(label="production", tag="greeting", page=1, limit=1)

with langfuse.start_as_current_observation(as_type="generation", name=name, model="gpt-4o", prompt=moved) as generation:
    generation.update(output="done")
    trace_id = generation.trace_id
langfuse.flush()

langfuse.create_prompt(name=f"{name}/gone", prompt="1")
langfuse.create_prompt(name=f"{name}/gone", prompt="2")
gone = encoded(f"{name}/gone")
refused = status(lambda: prompts.delete(encoded(name), version=1))
prompts.delete(gone, version=2)
latest = prompts.get(gone, label="latest").version
prompts.delete(gone)

print(
    json.dumps(
        {
            "made": [made.name, made.version, made.prompt, made.labels, made.tags, made.config, made.commit_message],
            "second": [second.version, second.labels, second.tags],
            "production": [
                production.version,
                production.compile(who="you"),
                production.labels,
                production.is_fallback,
            ],
            "cached": cached,
            "staging": staging.version,
            "first": first.prompt,
            "updated": [updated.version, updated.labels],
            "moved": moved.version,
            "messages": messages,
            "whole": [
                whole.prompt,
                whole.resolution_graph["root"]["name"],
                len(whole.resolution_graph["dependencies"]),
            ],
            "fallback": [fallback.version, fallback.compile(who="dear"), fallback.is_fallback],
            "missing": status(lambda: langfuse.get_prompt(f"{name}/none", max_retries=0)),
            "listed": [[each.name, each.versions, each.labels, each.tags, each.last_config] for each in listed.data],
            "page": [page.meta.page, page.meta.limit, page.meta.total_items >= 1, len(page.data)],
            "refused": refused,
            "latest": latest,
            "deleted": status(lambda: prompts.get(gone, label="latest")),
            "traceId": trace_id,
        }
    )
)
