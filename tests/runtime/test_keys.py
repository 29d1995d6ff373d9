"""API keys: who a request speaks for, what is kept of it, and how soon a change is known."""

import asyncio
import base64

import pytest

from tailrace.core.model import ProjectId
from tailrace.runtime import keys
from tailrace.runtime.keys import (
    AuthError,
    KeyCache,
    KeysUnavailableError,
    Principal,
    StoredKey,
    generate_secret,
    hash_secret,
)

BAD_KEY = "Invalid credentials. Confirm that you've configured the correct host."


def make_key(public_key: str = "pk-1", secret: str = "sk-1", project: str = "shop") -> StoredKey:
    principal = Principal(ProjectId(project), project.title(), "org", "Org", "full", suspended=False)
    return StoredKey(public_key, b"salt", hash_secret(secret, b"salt"), principal)


class Store:
    """Keys by hand. `held`: an answer waits for this event after it was looked up."""

    def __init__(self, *stored: StoredKey) -> None:
        self.keys = {key.public_key: key for key in stored}
        self.asked: list[str] = []
        self.away = False
        self.held: asyncio.Event | None = None

    async def find(self, public_key: str) -> StoredKey | None:
        self.asked.append(public_key)
        if self.away:
            raise KeysUnavailableError("away")
        found = self.keys.get(public_key)
        if self.held is not None:
            await self.held.wait()
        return found


def basic(public_key: str = "pk-1", secret: str = "sk-1") -> str:
    return "Basic " + base64.b64encode(f"{public_key}:{secret}".encode()).decode()


async def refusal(cache: KeyCache, header: str | None) -> AuthError:
    with pytest.raises(AuthError) as refused:
        await cache.authenticate(header)
    return refused.value


async def test_a_public_and_secret_key_speak_fully_for_their_project() -> None:
    principal = await KeyCache(Store(make_key())).authenticate(basic())

    assert (principal.project_id, principal.access) == ("shop", "full")


@pytest.mark.parametrize("scheme", ["basic", "BASIC", " Basic"])
async def test_the_scheme_is_read_without_regard_to_case(scheme: str) -> None:
    header = basic().replace("Basic", scheme)

    assert (await KeyCache(Store(make_key())).authenticate(header)).access == "full"


async def test_a_secret_may_hold_colons() -> None:
    store = Store(make_key(secret="a:b:c"))

    assert (await KeyCache(store).authenticate(basic(secret="a:b:c"))).access == "full"


async def test_a_bearer_public_key_may_only_score() -> None:
    assert (await KeyCache(Store(make_key())).authenticate("Bearer pk-1")).access == "scores"


@pytest.mark.parametrize("header", [None, ""])
async def test_no_header_is_401(header: str | None) -> None:
    refused = await refusal(KeyCache(Store()), header)

    assert (refused.status, refused.message) == (401, "No authorization header")


@pytest.mark.parametrize(
    "header",
    [
        "Digest x",
        "Basic",
        "Basic !!!",
        "Basic é",
        "Basic " + base64.b64encode(b"\xff\xfe:x").decode(),
        "Basic " + base64.b64encode(b"pk-1").decode(),
        "Basic " + base64.b64encode(b":sk-1").decode(),
        "Basic " + base64.b64encode(b"pk-1:").decode(),
        "Basic " + base64.b64encode(b"pk\x00:sk").decode(),
    ],
)
async def test_a_header_that_is_none_is_401_and_asks_nobody(header: str) -> None:
    store = Store(make_key())
    refused = await refusal(KeyCache(store), header)

    assert (refused.status, refused.message) == (401, "Invalid authorization header")
    assert store.asked == []


@pytest.mark.parametrize("header", [basic("pk-2"), basic(secret="sk-2"), "Bearer pk-2", "Bearer "])
async def test_an_unknown_key_and_a_wrong_secret_get_one_answer(header: str) -> None:
    refused = await refusal(KeyCache(Store(make_key())), header)

    assert (refused.status, refused.message) == (401, BAD_KEY)


@pytest.mark.parametrize("bearer", ["pk\x00", "pk-\ud800"])
async def test_a_bearer_that_no_key_can_be_is_401(bearer: str) -> None:
    store = Store(make_key())
    refused = await refusal(KeyCache(store), f"Bearer {bearer}")

    assert refused.status == 401
    assert store.asked == []


async def test_an_unknown_key_costs_the_same_compare_as_a_wrong_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[int, int]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return one == other

    monkeypatch.setattr(keys.hmac, "compare_digest", compare)
    cache = KeyCache(Store(make_key()))
    await refusal(cache, basic("pk-2"))
    await refusal(cache, basic(secret="sk-2"))

    assert compared == [(32, 32), (32, 32)]


async def test_a_known_key_is_not_asked_for_again_and_works_while_postgres_is_away() -> None:
    store = Store(make_key())
    cache = KeyCache(store)
    await cache.authenticate(basic())
    store.away = True

    assert (await cache.authenticate(basic())).project_id == "shop"
    assert store.asked == ["pk-1"]


async def test_a_key_that_is_not_known_while_postgres_is_away_is_not_refused() -> None:
    store = Store(make_key())
    store.away = True
    with pytest.raises(KeysUnavailableError):
        await KeyCache(store).authenticate(basic())


async def test_a_forgotten_key_is_read_again_at_once() -> None:
    store = Store(make_key())
    cache = KeyCache(store)
    await cache.authenticate(basic())
    del store.keys["pk-1"]
    cache.forget("pk-1")

    assert (await refusal(cache, basic())).message == BAD_KEY


async def test_all_keys_are_forgotten_when_none_is_named() -> None:
    store = Store(make_key(), make_key("pk-2"))
    cache = KeyCache(store)
    for _ in range(2):
        await cache.authenticate(basic())
        await cache.authenticate(basic("pk-2"))
        cache.forget()

    assert store.asked == ["pk-1", "pk-2"] * 2


async def test_keys_that_are_to_be_read_again_hold_until_postgres_answers() -> None:
    store = Store(make_key(), make_key("pk-2"))
    cache = KeyCache(store)
    await cache.authenticate(basic())
    await cache.authenticate(basic("pk-2"))
    cache.forget()
    cache.forget("pk-2")
    store.away = True

    assert (await cache.authenticate(basic())).project_id == "shop"
    with pytest.raises(KeysUnavailableError):
        await cache.authenticate(basic("pk-2"))
    store.away = False
    del store.keys["pk-1"]
    assert (await refusal(cache, basic())).message == BAD_KEY
    store.away = True
    with pytest.raises(KeysUnavailableError):
        await cache.authenticate(basic())


async def test_a_crowd_of_unknown_keys_that_wait_for_postgres_keeps_no_known_one_out() -> None:
    store = Store(make_key())
    cache = KeyCache(store, most_lookups=3)
    await cache.authenticate(basic())
    held = store.held = asyncio.Event()
    crowd = [asyncio.create_task(refusal(cache, basic(f"unknown-{number}"))) for number in range(3)]
    await asyncio.sleep(0)

    with pytest.raises(KeysUnavailableError):
        await cache.authenticate(basic("pk-9"))
    assert (await cache.authenticate(basic())).project_id == "shop"
    held.set()
    assert {refused.status for refused in await asyncio.gather(*crowd)} == {401}
    assert (await refusal(cache, basic("pk-9"))).status == 401


async def test_an_answer_from_before_a_change_is_not_kept() -> None:
    store = Store(make_key())
    cache = KeyCache(store)
    held = store.held = asyncio.Event()
    asking = asyncio.create_task(cache.authenticate(basic()))
    await asyncio.sleep(0)
    del store.keys["pk-1"]
    cache.forget("pk-1")
    held.set()
    await asking

    assert (await refusal(cache, basic())).status == 401


async def test_no_more_keys_are_kept_than_the_bound_and_the_least_recently_used_goes() -> None:
    store = Store(*(make_key(f"pk-{number}") for number in range(3)))
    cache = KeyCache(store, size=2)
    for number in (0, 1, 0, 2, 0, 1):
        await cache.authenticate(basic(f"pk-{number}"))

    assert store.asked == ["pk-0", "pk-1", "pk-2", "pk-1"]


async def test_unknown_keys_take_no_room() -> None:
    store = Store(make_key())
    cache = KeyCache(store, size=1)
    await cache.authenticate(basic())
    await refusal(cache, basic("pk-9"))
    await cache.authenticate(basic())

    assert store.asked == ["pk-1", "pk-9"]


def test_a_generated_secret_has_160_random_bits() -> None:
    one, other = generate_secret("sk-"), generate_secret("sk-")

    assert one != other
    assert len(bytes.fromhex(one.removeprefix("sk-"))) * 8 == 160


def test_the_same_secret_has_another_hash_under_another_salt() -> None:
    assert hash_secret("s", b"1") != hash_secret("s", b"2")
