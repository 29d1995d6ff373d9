"""The development keys: `keys.json` in the data folder (mode 0600), made once and printed at every start.

Keys that the settings name come first, and replace what the file says.
"""

from pathlib import Path

import msgspec

from tailrace.local.datadir import write_file
from tailrace.local.errors import StackError
from tailrace.runtime.keys import generate_secret
from tailrace.runtime.settings import Stack


class Keys(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The key pair of the project that the first start makes."""

    project_id: str
    public_key: str
    secret_key: str


def choose_keys(file: Path, stack: Stack) -> Keys:
    """The keys of the settings, else those in `file`, else new ones. Raises StackError if the file cannot be used."""
    kept = read_keys(file)
    if kept is None or kept.project_id != stack.init_project_id:
        kept = Keys(
            project_id=stack.init_project_id,
            public_key=generate_secret("pk-lf-"),
            secret_key=generate_secret("sk-lf-"),
        )
    secret = stack.init_project_secret_key
    return Keys(
        project_id=kept.project_id,
        public_key=stack.init_project_public_key or kept.public_key,
        secret_key=secret.reveal() if secret else kept.secret_key,
    )


def keep_keys(file: Path, keys: Keys) -> None:
    """Write them down, once the database has taken them."""
    write_file(file, msgspec.json.format(msgspec.json.encode(keys)) + b"\n", mode=0o600)


def read_keys(file: Path) -> Keys | None:
    """The keys in `file`; None when there is no such file. Raises StackError if it cannot be read."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=Keys)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise StackError(
            f"the key file {file} cannot be read ({error}): restore it, or remove it to get a new key pair"
        ) from error
