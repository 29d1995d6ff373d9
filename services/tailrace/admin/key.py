"""`tailrace key`: API keys of projects. A secret is printed once, when it is made; Postgres keeps only its salted hash.

A revoked key is refused by every edge at once, and never lives again.
"""

import argparse
from typing import Any

import asyncpg

from tailrace.admin.command import (
    QUERIES,
    OperatorError,
    add_action,
    open_connection,
    print_json,
    print_table,
    run_command,
)
from tailrace.admin.tenant import put_key
from tailrace.runtime.keys import generate_secret
from tailrace.runtime.settings import Secret, Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="create|revoke|list")
    create = add_action(actions, "create", "make a key pair and print it, once")
    create.add_argument("--project", required=True, metavar="ID", help="the project it speaks for")
    create.add_argument("--note", metavar="TEXT", help="what it is for")
    create.add_argument("--json", action="store_true", help="print a JSON object")
    revoke = add_action(actions, "revoke", "refuse a key from now on")
    revoke.add_argument("public_key", metavar="PUBLIC_KEY", help="as `tailrace key list` shows it")
    listing = add_action(actions, "list", "list keys, without their secrets")
    listing.add_argument("--project", metavar="ID", help="only this project's")
    listing.add_argument("--json", action="store_true", help="print a JSON list")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    actions = {"create": _create, "revoke": _revoke, "list": _list}
    return run_command(actions[arguments.action](arguments, settings))


async def _create(arguments: argparse.Namespace, settings: Settings) -> int:
    public_key, secret_key = generate_secret("pk-lf-"), generate_secret("sk-lf-")
    async with open_connection(settings.postgres) as connection, connection.transaction():
        await put_key(connection, arguments.project, public_key, Secret(secret_key), note=arguments.note)
    if arguments.json:
        print_json({"project": arguments.project, "publicKey": public_key, "secretKey": secret_key})
    else:
        print(f"public key  {public_key}")
        print(f"secret key  {secret_key}")
        print("The secret is not shown again.")
    return 0


async def _revoke(arguments: argparse.Namespace, settings: Settings) -> int:
    async with open_connection(settings.postgres) as connection:
        if await connection.execute(QUERIES["revoke_key"], arguments.public_key) == "UPDATE 0":
            raise OperatorError(f"there is no live key {arguments.public_key}: `tailrace key list` shows them")
    print(f"revoked {arguments.public_key}")
    return 0


async def _list(arguments: argparse.Namespace, settings: Settings) -> int:
    async with open_connection(settings.postgres) as connection:
        rows: list[asyncpg.Record] = await connection.fetch(QUERIES["list_keys"], arguments.project)
    if arguments.json:
        print_json([_key_json(row) for row in rows])
        return 0
    print_table(
        ["PROJECT", "PUBLIC KEY", "SECRET", "STATE", "CREATED", "NOTE"],
        [
            (
                row["project"],
                row["public_key"],
                row["display_secret_key"],
                "live" if row["revoked_at"] is None else "revoked",
                row["created_at"].date().isoformat(),
                row["note"],
            )
            for row in rows
        ],
    )
    return 0


def _key_json(row: asyncpg.Record) -> dict[str, Any]:
    return {
        "project": row["project"],
        "publicKey": row["public_key"],
        "displaySecretKey": row["display_secret_key"],
        "note": row["note"],
        "createdAt": row["created_at"],
        "revokedAt": row["revoked_at"],
    }
