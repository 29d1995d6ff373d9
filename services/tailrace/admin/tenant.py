"""`tailrace tenant`: organisations and their projects in Postgres. A suspended project's writes are refused at once by every edge."""

import argparse
import re
import secrets
from typing import Any

import asyncpg
import msgspec

from tailrace.admin.command import (
    QUERIES,
    OperatorError,
    add_action,
    no_project,
    open_connection,
    print_json,
    print_table,
    run_command,
)
from tailrace.admin.quota import add_quota_action, describe_quota, quota_json, run_quota
from tailrace.runtime.keys import hash_secret
from tailrace.runtime.settings import Secret, Settings

AnyConnection = Any
"""A connection, or one that a pool lent."""

_id = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_key = re.compile(r"[A-Za-z0-9._-]{1,200}")
_least_secret_characters = 16


class Bootstrap(msgspec.Struct, frozen=True, kw_only=True):
    """A project that should be there, in its organisation, with one key pair."""

    organization_id: str
    organization_name: str
    project_id: str
    project_name: str
    public_key: str
    secret_key: Secret
    note: str | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="create|suspend|resume|quota|list")
    create = add_action(actions, "create", "create a project, and its organisation where that is new")
    create.add_argument("--org", required=True, metavar="ID", help="the organisation")
    create.add_argument("--org-name", metavar="NAME", help="its name, where it is new (default: its id)")
    create.add_argument("--project", required=True, metavar="ID", help="the project")
    create.add_argument("--project-name", metavar="NAME", help="its name (default: its id)")
    create.add_argument(
        "--retention-days", type=int, metavar="N", help="keep its events for N days (default: for ever)"
    )
    for action, meaning in (
        ("suspend", "refuse the project's writes from now on; what it has stays readable"),
        ("resume", "accept the project's writes again"),
    ):
        add_action(actions, action, meaning).add_argument("project", metavar="PROJECT", help="the project's id")
    add_quota_action(actions)
    add_action(actions, "list", "list organisations and projects, with their quotas").add_argument(
        "--json", action="store_true", help="print a JSON list"
    )


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    actions = {"create": _create, "suspend": _suspend, "resume": _resume, "quota": run_quota, "list": _list}
    return run_command(actions[arguments.action](arguments, settings))


async def bootstrap_tenant(connection: AnyConnection, wanted: Bootstrap) -> None:
    """Make sure that organisation, project and key pair exist; what exists already keeps its names, a new secret replaces the old.

    Raises OperatorError when an id or key is malformed, the project is another organisation's, or the key is revoked or another project's.
    """
    async with connection.transaction():
        await create_project(
            connection,
            organization=(wanted.organization_id, wanted.organization_name),
            project=(wanted.project_id, wanted.project_name),
        )
        await put_key(connection, wanted.project_id, wanted.public_key, wanted.secret_key, note=wanted.note)


async def create_project(
    connection: AnyConnection,
    *,
    organization: tuple[str, str],
    project: tuple[str, str],
    retention_days: int | None = None,
) -> bool:
    """Create the organisation and the project, both (id, name), where they are new; returns whether the project is new.

    Raises OperatorError when an id or a name is malformed or the project is another organisation's.
    """
    for what, (identifier, name) in (("organisation", organization), ("project", project)):
        _require_id(what, identifier)
        if not name.strip() or "\x00" in name:
            raise OperatorError(f"expected a name for the {what} {identifier}, got {name!r}")
    await connection.execute(QUERIES["add_organization"], *organization)
    status = await connection.execute(QUERIES["add_project"], project[0], organization[0], project[1], retention_days)
    row = await connection.fetchrow(QUERIES["find_project"], project[0])
    if row["organization_id"] != organization[0]:
        raise OperatorError(
            f"the project {project[0]} belongs to the organisation {row['organization_id']}, not to {organization[0]}"
        )
    return status == "INSERT 0 1"


async def put_key(
    connection: AnyConnection, project_id: str, public_key: str, secret_key: Secret, *, note: str | None = None
) -> None:
    """Store the key pair of a project; the same public key with another secret gets that secret.

    Raises OperatorError when a key is malformed, revoked or another project's, or there is no such project.
    """
    secret = secret_key.reveal()
    _require_keys(public_key, secret)
    if await connection.fetchrow(QUERIES["find_project"], project_id) is None:
        raise no_project(project_id)
    salt = secrets.token_bytes(16)
    shown = f"sk-lf-…{secret[-4:]}"
    values = (public_key, salt, hash_secret(secret, salt), shown)
    await connection.execute(QUERIES["add_key"], f"key-{secrets.token_hex(12)}", project_id, *values, note)
    row = await connection.fetchrow(QUERIES["find_key"], public_key)
    if row["project_id"] != project_id:
        raise OperatorError(f"the public key {public_key} belongs to another project than {project_id}: use another")
    if row["revoked_at"] is not None:
        raise OperatorError(f"the public key {public_key} was revoked: use another")
    if row["secret_hash"] != hash_secret(secret, row["secret_salt"]):
        await connection.execute(QUERIES["replace_secret"], *values)


def _require_id(what: str, identifier: str) -> None:
    if not _id.fullmatch(identifier):
        raise OperatorError(
            f"expected the id of the {what} as up to 100 letters, digits, dots, dashes or underscores, got {identifier!r}"
        )


def _require_keys(public_key: str, secret: str) -> None:
    if not (public_key.startswith("pk-lf-") and _key.fullmatch(public_key)):
        raise OperatorError(
            f"expected a public key that starts with pk-lf- and holds only letters, digits, dots, dashes and underscores, got {public_key!r}"
        )
    if not (secret.startswith("sk-lf-") and _key.fullmatch(secret)):
        raise OperatorError(
            f"expected the secret key of {public_key} to start with sk-lf- and to hold only letters, digits, dots, dashes and underscores"
        )
    if len(secret) < _least_secret_characters:
        raise OperatorError(
            f"expected the secret key of {public_key} to have {_least_secret_characters} characters or more, got {len(secret)}"
        )


async def _create(arguments: argparse.Namespace, settings: Settings) -> int:
    if arguments.retention_days is not None and arguments.retention_days < 1:
        raise OperatorError(f"expected --retention-days of 1 or more, got {arguments.retention_days}")
    async with open_connection(settings.postgres) as connection, connection.transaction():
        is_new = await create_project(
            connection,
            organization=(arguments.org, arguments.org_name or arguments.org),
            project=(arguments.project, arguments.project_name or arguments.project),
            retention_days=arguments.retention_days,
        )
    print(f"{'created' if is_new else 'exists '} project {arguments.project} in organisation {arguments.org}")
    if is_new:
        print(f"its first key: tailrace key create --project {arguments.project}")
    return 0


async def _suspend(arguments: argparse.Namespace, settings: Settings) -> int:
    await _update_project(settings, "suspend_project", arguments.project)
    print(f"suspended {arguments.project}: its writes are refused")
    return 0


async def _resume(arguments: argparse.Namespace, settings: Settings) -> int:
    await _update_project(settings, "resume_project", arguments.project)
    print(f"resumed {arguments.project}: its writes are accepted")
    return 0


async def _update_project(settings: Settings, query: str, project_id: str) -> None:
    async with open_connection(settings.postgres) as connection:
        if await connection.execute(QUERIES[query], project_id) == "UPDATE 0":
            raise no_project(project_id)


async def _list(arguments: argparse.Namespace, settings: Settings) -> int:
    async with open_connection(settings.postgres) as connection:
        rows: list[asyncpg.Record] = await connection.fetch(QUERIES["list_projects"])
    if arguments.json:
        print_json([_project_json(row) for row in rows])
        return 0
    print_table(
        ["ORGANISATION", "PROJECT", "NAME", "KEYS", "STATE", "CREATED", "QUOTA"],
        [
            (
                row["organization"],
                row["project"],
                row["project_name"],
                row["keys"],
                _state(row),
                _day(row["created_at"]),
                describe_quota(row),
            )
            for row in rows
        ],
    )
    return 0


def _project_json(row: asyncpg.Record) -> dict[str, object]:
    return {
        "organization": row["organization"],
        "organizationName": row["organization_name"],
        "project": row["project"],
        "projectName": row["project_name"],
        "retentionDays": row["retention_days"],
        "suspendedAt": row["suspended_at"],
        "createdAt": row["created_at"],
        "keys": row["keys"],
        "quota": quota_json(row),
    }


def _state(row: asyncpg.Record) -> str:
    if row["project"] is None:
        return "no project"
    return "suspended" if row["suspended_at"] is not None else "active"


def _day(at: Any) -> str | None:
    return None if at is None else at.date().isoformat()
