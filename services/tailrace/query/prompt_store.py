"""Prompts in Postgres: what reads them, and the rules that writing keeps, each write in one transaction under the lock of its project.

The rules: versions are numbered without a gap when they are made, a label is on one version, `latest` is on the highest, all versions
of a name are of one type, and whatever a version includes is there and leads to no circle.
"""

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from tailrace.query.database import Database, Reader, Writer
from tailrace.query.errors import InvalidRequestError, NotFoundError
from tailrace.query.prompt_graph import MAX_BYTES, MAX_DEPTH, Graph, load_graph
from tailrace.query.prompt_requests import LATEST, PRODUCTION, NewPrompt, fault_of_name
from tailrace.query.prompt_tags import Reference, references_of
from tailrace.query.rows import Dependent, FoundPrompt, NumberOfVersion, PromptKind, PromptRead
from tailrace.query.sql import statement

MAX_VERSION: Final = 2**31 - 1

_by_version: Final = statement("get_prompt_by_version")
_by_label: Final = statement("get_prompt_by_label")
_find: Final = statement("find_prompts")
_size: Final = statement("size_prompts")


class Chosen(NamedTuple):
    """Which version of a prompt is asked for: by its number, or by a label."""

    project_id: str
    name: str
    version: int | None
    label: str | None

    def missing(self) -> NotFoundError:
        """There is no such version."""
        which = f"with label '{self.label}'" if self.version is None else f"with version {self.version}"
        return NotFoundError(f"Prompt not found: '{self.name}' {which}")


def chosen(project_id: str, name: str, version: int | None, label: str | None) -> Chosen:
    """What a reader asks for; without version and label the one in production."""
    return Chosen(project_id, name, version, label or PRODUCTION if version is None else None)


async def find_version(database: Database, asked: Chosen) -> PromptRead | None:
    """The version, if there is one, by a statement that stands alone."""
    question = _question(asked)
    return None if question is None else await database.row(PromptRead, *question)


async def read_version(reader: Reader, asked: Chosen) -> PromptRead | None:
    """The version, if there is one."""
    question = _question(asked)
    return None if question is None else await reader.row(PromptRead, *question)


def _question(asked: Chosen) -> tuple[str, tuple[Any, ...]] | None:
    """The statement and its values; None if there can be no such prompt."""
    if fault_of_name(asked.name) is not None:
        return None
    if asked.version is not None:
        return _by_version, (asked.project_id, asked.name, asked.version)
    return _by_label, (asked.project_id, asked.name, asked.label)


async def read_graph(reader: Reader, project_id: str, root: PromptRead) -> Graph:
    """The version with all that it includes. Raises InvalidRequestError."""
    return await load_graph(root, _fetcher(reader, project_id))


async def create_version(writer: Writer, project_id: str, new: NewPrompt) -> PromptRead:
    """The next version of a name, or its first. Raises InvalidRequestError."""
    await _lock(writer, project_id)
    kind = await writer.row(PromptKind, statement("get_prompt_kind"), (project_id, new.name))
    if kind is not None and kind.type != new.type:
        raise InvalidRequestError(
            f"expected {kind.type}, as earlier versions of {new.name!r} are: make a {new.type} prompt of another name",
            "type",
        )
    old_tags = [] if kind is None else kind.tags
    tags = old_tags if new.tags is None else list(new.tags)
    version = 1 if kind is None else kind.last_version + 1
    if kind is not None and tags != old_tags:
        await writer.execute(statement("touch_all_prompts"), (project_id, new.name))
    labels = sorted(new.labels | {LATEST})
    await writer.execute(statement("touch_prompts"), (project_id, new.name, version, labels))
    await writer.execute(statement("write_prompt"), (project_id, new.name, new.type, tags))
    await writer.execute(
        statement("write_prompt_version"),
        (project_id, new.name, version, uuid.uuid4().hex, new.prompt, new.config, new.commit_message),
    )
    await writer.execute(statement("move_prompt_labels"), (project_id, new.name, version, labels))
    made = await _checked(writer, project_id, new.name, version, is_new=True)
    await _write_dependencies(writer, (project_id, new.name, version), new.contents)
    return made


async def add_labels(
    writer: Writer, project_id: str, name: str, version: int, labels: Sequence[str] | frozenset[str]
) -> PromptRead:
    """The version with these labels too, which no other has any more. Raises NotFoundError, InvalidRequestError."""
    await _lock(writer, project_id)
    asked = chosen(project_id, name, version, None)
    if await read_version(writer, asked) is None:
        raise asked.missing()
    await _move_labels(writer, project_id, name, version, sorted(labels))
    return await _checked(writer, project_id, name, version)


async def delete_versions(writer: Writer, project_id: str, name: str, version: int | None, label: str | None) -> None:
    """Versions of a name: all, that of a number, or that with a label. Raises NotFoundError, InvalidRequestError."""
    await _lock(writer, project_id)
    gone = await writer.rows(NumberOfVersion, statement("delete_prompt_versions"), (project_id, name, version, label))
    if not gone:
        asked = Chosen(project_id, name, version, label)
        raise NotFoundError(f"Prompt not found: '{name}'") if version is None and label is None else asked.missing()
    kind = await writer.row(PromptKind, statement("get_prompt_kind"), (project_id, name))
    highest = 0 if kind is None else kind.last_version
    if highest:
        await _move_labels(writer, project_id, name, highest, [LATEST])
    else:
        await writer.execute(statement("delete_prompt"), (project_id, name))
    await _refuse_if_needed(writer, project_id, name)
    if highest and highest < max(one.version for one in gone):
        await _checked(writer, project_id, name, highest)


async def _lock(writer: Writer, project_id: str) -> None:
    await writer.execute(statement("lock_prompts"), (project_id,))


async def _move_labels(writer: Writer, project_id: str, name: str, version: int, labels: Sequence[str]) -> None:
    values = (project_id, name, version, list(labels))
    await writer.execute(statement("touch_prompts"), values)
    await writer.execute(statement("move_prompt_labels"), values)


async def _write_dependencies(writer: Writer, key: tuple[str, str, int], contents: Sequence[str]) -> None:
    references = list(dict.fromkeys(one for content in contents for one in references_of(content)))
    if references:
        columns = ([one.name for one in references], [one.version for one in references])
        await writer.execute(
            statement("write_prompt_dependencies"), (*key, *columns, [one.label for one in references])
        )


async def _checked(writer: Writer, project_id: str, name: str, version: int, *, is_new: bool = False) -> PromptRead:
    """The version as it is now, once it is sure that it can be read with all that it includes.

    A label that moved to it can close a circle only through it. Raises InvalidRequestError.
    """
    asked = chosen(project_id, name, version, None)
    found = await read_version(writer, asked)
    if found is None:
        raise asked.missing()
    graph = await read_graph(writer, project_id, found)
    if is_new and name in graph.names():
        raise InvalidRequestError(f"{name!r} would include itself: circular dependencies cannot be resolved", "prompt")
    if is_new and graph.depth() > MAX_DEPTH:
        raise InvalidRequestError(f"expected at most {MAX_DEPTH} prompts below each other, got more", "prompt")
    graph.resolve()
    return found


async def _refuse_if_needed(writer: Writer, project_id: str, name: str) -> None:
    broken = await writer.rows(Dependent, statement("list_broken_dependents"), (project_id, name))
    if broken:
        listed = ", ".join(f"{one.name!r} version {one.version}" for one in broken)
        raise InvalidRequestError(f"other prompts include what would be deleted: {listed}; delete those first", "name")


def _fetcher(reader: Reader, project_id: str) -> Callable[[list[Reference]], Awaitable[Mapping[Reference, PromptRead]]]:
    async def fetch(references: list[Reference]) -> Mapping[Reference, PromptRead]:
        values: tuple[Any, ...] = (
            project_id,
            [one.name for one in references],
            [one.version for one in references],
            [one.label for one in references],
        )
        if await reader.whole_number(_size, values) > MAX_BYTES:
            raise InvalidRequestError(
                f"expected at most {MAX_BYTES} bytes with all that is included, got more", "prompt"
            )
        found = await reader.rows(FoundPrompt, _find, values)
        return {references[one.position - 1]: one for one in found}

    return fetch
