"""Tenants and keys from the command line and at bootstrap."""

import asyncio
import base64

import asyncpg
import pytest

from tailrace.admin.command import OperatorError
from tailrace.admin.tenant import Bootstrap, bootstrap_tenant
from tailrace.runtime.keys import AuthError, KeyCache, PostgresKeyStore, Quota, watch_keys
from tailrace.runtime.settings import Secret
from tests.admin.conftest import Query, Tailrace

pytestmark = pytest.mark.integration

SECRET = "sk-lf-0123456789abcdef"


def make_bootstrap(**overrides: str) -> Bootstrap:
    secret = Secret(overrides.pop("secret_key", SECRET))
    given = {
        "organization_id": "acme",
        "organization_name": "Acme",
        "project_id": "shop",
        "project_name": "Shop",
        "public_key": "pk-lf-shop",
    }
    return Bootstrap(**(given | overrides), secret_key=secret)


def test_a_project_is_created_once_with_its_organisation(tailrace: Tailrace) -> None:
    first = tailrace("tenant", "create", "--org", "acme", "--org-name", "Acme", "--project", "shop")
    again = tailrace("tenant", "create", "--org", "acme", "--project", "shop")

    assert (first.code, again.code) == (0, 0)
    assert "created project shop in organisation acme" in first.out
    assert "exists  project shop" in again.out
    listed = tailrace("tenant", "list", "--json").json
    assert [(one["organizationName"], one["project"], one["keys"]) for one in listed] == [("Acme", "shop", 0)]


def test_a_project_of_another_organisation_is_refused_and_leaves_no_organisation_behind(tailrace: Tailrace) -> None:
    tailrace("tenant", "create", "--org", "acme", "--project", "shop")

    refused = tailrace("tenant", "create", "--org", "other", "--project", "shop")

    assert refused.code == 1
    assert refused.err == "tailrace: the project shop belongs to the organisation acme, not to other\n"
    assert [one["organization"] for one in tailrace("tenant", "list", "--json").json] == ["acme"]


@pytest.mark.parametrize("identifier", ["", "a b", "ä", "x/y", "-x", "a" * 101, "x\n"])
def test_an_id_that_could_not_stand_in_a_url_is_refused(tailrace: Tailrace, identifier: str) -> None:
    refused = tailrace("tenant", "create", "--org", "acme", f"--project={identifier}")

    assert refused.code == 1
    assert refused.err.startswith("tailrace: expected the id of the project as up to 100 letters")
    assert refused.err.count("\n") == 1


def test_suspending_and_resuming_shows_in_the_list(tailrace: Tailrace) -> None:
    tailrace("tenant", "create", "--org", "acme", "--project", "shop")

    assert tailrace("tenant", "suspend", "shop").code == 0
    assert "suspended" in tailrace("tenant", "list").out
    assert tailrace("tenant", "resume", "shop").code == 0
    assert "active" in tailrace("tenant", "list").out
    assert tailrace("tenant", "suspend", "nowhere").err == (
        "tailrace: there is no project nowhere: `tailrace tenant list` shows them\n"
    )


def test_a_quota_is_set_figure_by_figure_shown_and_cleared(tailrace: Tailrace) -> None:
    tailrace("tenant", "create", "--org", "acme", "--project", "shop")

    first = tailrace("tenant", "quota", "shop", "--events-per-second", "50")
    second = tailrace("tenant", "quota", "shop", "--bytes-per-second", "none", "--max-body-bytes", "1000000", "--json")
    listed = tailrace("tenant", "list")

    assert first.out == "shop: 50 events/s\n"
    assert second.json == {
        "project": "shop",
        "quota": {"eventsPerSecond": 50, "bytesPerSecond": 0, "maxBodyBytes": 1_000_000},
    }
    assert "50 events/s, none bytes/s, 1000000 bytes a body" in listed.out
    assert tailrace("tenant", "list", "--json").json[0]["quota"] == second.json["quota"]
    assert tailrace("tenant", "quota", "shop", "--clear", "--events-per-second", "7").out == "shop: 7 events/s\n"
    assert tailrace("tenant", "quota", "shop").out == "shop: 7 events/s\n"
    assert (
        tailrace("tenant", "quota", "shop", "--clear").out
        == "shop: no quota of its own, so the defaults of the installation\n"
    )


@pytest.mark.parametrize("figure", ["0", "-1", "1.5", "", "many", "9" * 30, "\u0665"])
def test_a_figure_that_is_no_quota_is_refused_in_one_sentence(tailrace: Tailrace, figure: str) -> None:
    tailrace("tenant", "create", "--org", "acme", "--project", "shop")

    refused = tailrace("tenant", "quota", "shop", f"--events-per-second={figure}")

    assert (refused.code, refused.err.count("\n")) == (1, 1)
    assert refused.err.startswith(
        "tailrace: expected --events-per-second as a whole number from 1 to 2147483647 or `none`"
    )
    assert tailrace("tenant", "quota", "shop").out == "shop: no quota of its own, so the defaults of the installation\n"


def test_a_quota_of_no_project_is_refused(tailrace: Tailrace) -> None:
    refused = tailrace("tenant", "quota", "nowhere", "--events-per-second", "5")

    assert refused.err == "tailrace: there is no project nowhere: `tailrace tenant list` shows them\n"


async def test_a_quota_travels_with_the_key_and_a_change_is_announced(postgres_dsn: str) -> None:
    async with asyncpg.create_pool(postgres_dsn, min_size=1, max_size=3) as pool:
        async with pool.acquire() as connection:
            await bootstrap_tenant(connection, make_bootstrap())
        cache, stop = KeyCache(PostgresKeyStore(pool)), asyncio.Event()
        watching = asyncio.create_task(watch_keys(cache, postgres_dsn, stop))
        await asyncio.sleep(0.3)
        before = await cache.authenticate(_basic("pk-lf-shop", SECRET))

        await pool.execute("update projects set quota_events_per_second = 9, quota_max_body_bytes = 100")

        async with asyncio.timeout(10):
            while (after := await cache.authenticate(_basic("pk-lf-shop", SECRET))).quota == Quota():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        stop.set()
        await watching
    assert before.quota == Quota()
    assert after.quota == Quota(events_per_second=9, max_body_bytes=100)


def test_a_secret_is_shown_once_and_stored_hashed(tailrace: Tailrace, query: Query) -> None:
    tailrace("tenant", "create", "--org", "acme", "--project", "shop")

    made = tailrace("key", "create", "--project", "shop", "--note", "ci", "--json").json

    listed = tailrace("key", "list", "--project", "shop")
    assert made["secretKey"] not in listed.out
    assert f"sk-lf-…{made['secretKey'][-4:]}" in listed.out
    stored = query("select * from api_keys")[0]
    assert made["secretKey"] not in str(stored)
    assert made["secretKey"].encode() not in bytes(stored["secret_hash"])


def test_a_revoked_key_is_gone_for_good(tailrace: Tailrace) -> None:
    tailrace("tenant", "create", "--org", "acme", "--project", "shop")
    public_key = tailrace("key", "create", "--project", "shop", "--json").json["publicKey"]

    assert tailrace("key", "revoke", public_key).code == 0
    assert "revoked" in tailrace("key", "list").out
    assert tailrace("key", "revoke", public_key).err == (
        f"tailrace: there is no live key {public_key}: `tailrace key list` shows them\n"
    )


def test_a_key_for_an_unknown_project_is_refused(tailrace: Tailrace) -> None:
    refused = tailrace("key", "create", "--project", "nowhere")

    assert (refused.code, refused.out) == (1, "")
    assert "there is no project nowhere" in refused.err


def test_an_unmigrated_database_is_named_as_such(tailrace: Tailrace, empty_postgres_dsn: str) -> None:
    refused = tailrace("tenant", "list", TAILRACE_POSTGRES_DSN=empty_postgres_dsn)

    assert refused.code == 1
    assert refused.err.endswith("run `tailrace migrate`\n")


async def test_bootstrap_is_idempotent_and_its_key_authenticates(postgres_dsn: str) -> None:
    async with asyncpg.create_pool(postgres_dsn, min_size=1, max_size=2) as pool:
        for _ in range(2):
            async with pool.acquire() as connection:
                await bootstrap_tenant(connection, make_bootstrap())

        found = await PostgresKeyStore(pool).find("pk-lf-shop")
        assert found is not None
        assert found.principal.project_id == "shop"
        assert await pool.fetchval("select count(*) from api_keys") == 1


async def test_bootstrap_with_a_new_secret_replaces_the_old_one(postgres_dsn: str) -> None:
    async with asyncpg.create_pool(postgres_dsn, min_size=1, max_size=2) as pool, pool.acquire() as connection:
        await bootstrap_tenant(connection, make_bootstrap())
        await bootstrap_tenant(connection, make_bootstrap(secret_key="sk-lf-another-0123456"))

        cache = KeyCache(PostgresKeyStore(pool))
        assert (await cache.authenticate(_basic("pk-lf-shop", "sk-lf-another-0123456"))).project_id == "shop"
        with pytest.raises(AuthError):
            await cache.authenticate(_basic("pk-lf-shop", SECRET))


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ({"public_key": "pk-shop"}, "expected a public key that starts with pk-lf-"),
        ({"public_key": "pk-lf-a:b"}, "expected a public key that starts with pk-lf-"),
        ({"secret_key": "secret-0123456789abcdef"}, "expected the secret key of pk-lf-shop to start with sk-lf-"),
        ({"secret_key": "sk-lf-short"}, "to have 16 characters or more, got 11"),
        ({"project_id": "a b"}, "expected the id of the project"),
        ({"project_name": " "}, "expected a name for the project shop"),
    ],
)
async def test_bootstrap_refuses_what_could_not_work_in_one_sentence_without_the_secret(
    postgres_dsn: str, overrides: dict[str, str], sentence: str
) -> None:
    connection = await asyncpg.connect(postgres_dsn)

    with pytest.raises(OperatorError, match=sentence) as refused:
        await bootstrap_tenant(connection, make_bootstrap(**overrides))

    assert overrides.get("secret_key", SECRET) not in str(refused.value)
    assert await connection.fetchval("select count(*) from organizations") == 0
    await connection.close()


async def test_bootstrap_refuses_a_key_of_another_project_or_a_revoked_one(postgres_dsn: str) -> None:
    connection = await asyncpg.connect(postgres_dsn)
    await bootstrap_tenant(connection, make_bootstrap())

    with pytest.raises(OperatorError, match="belongs to another project than till"):
        await bootstrap_tenant(connection, make_bootstrap(project_id="till"))
    await connection.execute("update api_keys set revoked_at = now()")
    with pytest.raises(OperatorError, match="pk-lf-shop was revoked"):
        await bootstrap_tenant(connection, make_bootstrap())
    await connection.close()


def _basic(public_key: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{public_key}:{secret}".encode()).decode()
