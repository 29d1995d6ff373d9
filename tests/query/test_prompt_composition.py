"""Prompts that include prompts: what is put together when they are read, and what keeps them readable."""

from typing import Any

import httpx
import pytest

from tests.query.prompts import PATH, add, create, read

pytestmark = pytest.mark.integration


def tag(name: str, which: str = "label=production") -> str:
    return f"@@@langfusePrompt:name={name}|{which}@@@"


async def refused(client: httpx.AsyncClient, name: str, prompt: Any, **values: Any) -> str:
    """The reason why this cannot be made; nothing of it is there then."""
    before = (await client.get(PATH, params={"name": name})).json()["data"]
    response = await client.post(PATH, json={"name": name, "prompt": prompt} | values)
    assert (response.status_code, response.json()["error"][0]["path"]) == (400, ["prompt"])
    assert (await client.get(PATH, params={"name": name})).json()["data"] == before
    return response.json()["error"][0]["message"]


async def chain(client: httpx.AsyncClient, prefix: str, length: int) -> str:
    """So many prompts, of which each includes the one before; the name of the last."""
    for n in range(length):
        await create(client, f"{prefix}{n}", f"{n}{tag(f'{prefix}{n - 1}') if n else ''}", labels=["production"])
    return f"{prefix}{length - 1}"


async def test_what_is_included_is_put_together_at_the_read_and_drawn_as_a_graph(client: httpx.AsyncClient) -> None:
    inner = await create(client, "in/ner", "I", labels=["production"])
    middle = await create(client, "middle", f"[{tag('in/ner', 'version=1')}{tag('in/ner')}]", labels=["production"])
    made = await create(client, "outer", f"{tag('middle')} and {tag('in/ner')}", labels=["production"])

    found, raw = await read(client, "outer"), await read(client, "outer", resolve="false")

    ids = {name: {"id": one["id"], "name": name, "version": 1} for name, one in (("in/ner", inner), ("middle", middle))}
    assert found["prompt"] == "[II] and I"
    assert found["resolutionGraph"] == {
        "root": {"id": made["id"], "name": "outer", "version": 1},
        "dependencies": {made["id"]: [ids["middle"], ids["in/ner"]], middle["id"]: [ids["in/ner"]]},
    }
    assert (raw["prompt"], raw["resolutionGraph"]) == (made["prompt"], None)
    assert (await read(client, "in/ner"))["resolutionGraph"] is None


async def test_messages_of_a_chat_include_texts_and_keep_all_else(client: httpx.AsyncClient) -> None:
    await create(client, "rules", 'Be "kind"\n{{who}}', labels=["production"])
    messages = [
        {"role": "system", "content": f"{tag('rules')}!", "note": tag("rules")},
        {"type": "placeholder", "name": tag("rules")},
    ]
    await create(client, "chat", messages, type="chat", labels=["production"])

    assert (await read(client, "chat"))["prompt"] == [
        {"role": "system", "content": 'Be "kind"\n{{who}}!', "note": tag("rules")},
        {"type": "placeholder", "name": tag("rules")},
    ]


async def test_what_is_included_by_a_label_follows_it(client: httpx.AsyncClient) -> None:
    await create(client, "part", "one", labels=["production"])
    await create(
        client,
        "whole",
        f"<{tag('part')}{tag('part', 'version=1')}{tag('part', 'label=latest')}>",
        labels=["production"],
    )
    assert (await read(client, "whole"))["prompt"] == "<oneoneone>"

    await create(client, "part", "two")
    assert (await read(client, "whole"))["prompt"] == "<oneonetwo>"
    await add(client, "part", 2, "production")
    assert (await read(client, "whole"))["prompt"] == "<twoonetwo>"


@pytest.mark.parametrize("which", ["label=staging", "version=2", "version=0", f"label={'x' * 5000}"])
async def test_what_is_not_there_cannot_be_included(client: httpx.AsyncClient, which: str) -> None:
    await create(client, "part", "one", labels=["production"])

    assert "which there is not" in await refused(client, "whole", tag("part", which))
    assert "which there is not" in await refused(client, "whole", tag("x" * 90_000))


async def test_chats_cannot_be_included(client: httpx.AsyncClient) -> None:
    await create(client, "chat", [], type="chat", labels=["production"])

    assert "only texts can be included" in await refused(client, "whole", tag("chat"))


async def test_what_is_not_quite_a_tag_is_a_text(client: httpx.AsyncClient) -> None:
    text = (
        "@@@langfusePrompt:label=a|name=b@@@ @@@langfusePrompt:name=x@@@ @@@langfusePrompt:name=a|version=1|label=b@@@"
    )
    await create(client, "whole", text, labels=["production"])

    assert (await read(client, "whole"))["prompt"] == text


async def test_a_prompt_cannot_include_its_own_name(client: httpx.AsyncClient) -> None:
    assert "circular" in await refused(client, "a", tag("a", "label=latest"))
    await create(client, "a", "one", labels=["production"])
    assert "circular" in await refused(client, "a", tag("a", "version=1"))
    await create(client, "b", tag("a"), labels=["production"])
    assert "circular" in await refused(client, "a", tag("b"), labels=["production"])


async def test_a_label_cannot_close_a_circle(client: httpx.AsyncClient) -> None:
    await create(client, "b", "plain", labels=["production"])
    await create(client, "a", tag("b"), labels=["production"])
    await create(client, "c", "plain", labels=["production"])
    await create(client, "b", tag("c"))
    await create(client, "c", tag("a"))
    assert (await add(client, "b", 2, "production")).status_code == 200

    closing = await add(client, "c", 2, "production", "other")

    assert closing.status_code == 400
    assert "circular" in closing.json()["error"][0]["message"]
    assert (await read(client, "c"))["labels"] == ["production"]
    assert (await read(client, "a"))["prompt"] == "plain"
    assert (await client.get(f"{PATH}/c", params={"label": "other"})).status_code == 404


async def test_a_deletion_cannot_close_a_circle(client: httpx.AsyncClient) -> None:
    await create(client, "c", "plain", labels=["x"])
    await create(client, "b", tag("c", "label=x"))
    await create(client, "b", "plain")
    await create(client, "a", tag("b", "label=latest"))
    await create(client, "c", tag("a", "label=latest"), labels=["x"])

    closing = await client.delete(f"{PATH}/b", params={"version": 2})

    assert closing.status_code == 400
    assert "circular" in closing.json()["error"][0]["message"]
    assert (await read(client, "b", label="latest"))["version"] == 2


async def test_a_new_version_has_at_most_five_prompts_below_each_other(client: httpx.AsyncClient) -> None:
    last = await chain(client, "deep", 6)

    assert (await read(client, last))["prompt"] == "543210"
    assert "at most 5 prompts below each other" in await refused(client, "deeper", tag(last))


async def test_prompts_that_would_grow_without_bound_are_refused_before_they_do(client: httpx.AsyncClient) -> None:
    await create(client, "x0", "x" * 1000, labels=["production"])
    await create(client, "x1", tag("x0") * 1000, labels=["production"])

    assert "at most 4194304 bytes" in await refused(client, "x2", tag("x1") * 1000)
    assert len((await read(client, "x1"))["prompt"]) == 1_000_000
    for n in range(5):
        await create(client, f"y{n}", "y" * 1_000_000, labels=["production"])
    assert "at most 4194304 bytes" in await refused(client, "x2", "".join(tag(f"y{n}") for n in range(5)))


async def test_a_prompt_includes_at_most_five_hundred(client: httpx.AsyncClient) -> None:
    tags = "".join(tag(f"n{n}") for n in range(501))

    assert "at most 500 included versions" in await refused(client, "wide", tags)


async def test_what_others_include_cannot_be_deleted_until_they_are(client: httpx.AsyncClient) -> None:
    for _ in range(2):
        await create(client, "part", "p")
    await create(client, "by-version", tag("part", "version=1"))
    await add(client, "part", 2, "staging")
    await create(client, "by-label", tag("part", "label=staging"))
    await create(client, "by-latest", tag("part", "label=latest"))

    for asked in ({}, {"version": 1}, {"version": 2}, {"label": "staging"}):
        response = await client.delete(f"{PATH}/part", params=asked)
        assert response.status_code == 400
        assert "other prompts include" in response.json()["error"][0]["message"]
    assert "'by-version' version 1" in (await client.delete(f"{PATH}/part", params={"version": 1})).text

    assert (await client.delete(f"{PATH}/by-label")).status_code == 204
    assert (await client.delete(f"{PATH}/part", params={"version": 2})).status_code == 204
    assert (await read(client, "by-latest", label="latest"))["resolutionGraph"]["dependencies"]
    for name in ("by-version", "by-latest", "part"):
        assert (await client.delete(f"{PATH}/{name}")).status_code == 204
