"""Bodies that write prompts, in, and what they ask for, out. All that is wrong with a body is told at once, each fault with its path."""

import re
from typing import Any, Final, Literal, NamedTuple, TypeVar, cast

from tailrace.query.errors import InvalidBodyError, InvalidRequestError
from tailrace.query.given import kind_of
from tailrace.query.prompt_tags import variables_of
from tailrace.wire.lenient_json import NotJsonError, dump_json, load_json

PromptType = Literal["text", "chat"]

LATEST: Final = "latest"
PRODUCTION: Final = "production"
MAX_NAME_CHARACTERS: Final = 255
MAX_LABELS: Final = 100
MAX_TAGS: Final = 100
MAX_TAG_CHARACTERS: Final = 200
MAX_COMMIT_CHARACTERS: Final = 500
MAX_MESSAGES: Final = 1_000
MAX_PLACEHOLDER_CHARACTERS: Final = 255

Path = tuple[str | int, ...]
_T = TypeVar("_T")
_reserved: Final = frozenset({"new", "metrics", "prompt-detail"})
_html: Final = re.compile(r"<[^>]*>")
_label: Final = re.compile(r"[a-z0-9_\-.]{1,36}")


class NewPrompt(NamedTuple):
    """A version as its author wants it. `prompt`: the text, or the messages as JSON. `contents`: the texts that may include other prompts.

    `tags`: for all versions; None leaves them as they are.
    """

    name: str
    type: PromptType
    prompt: str
    contents: tuple[str, ...]
    config: str
    labels: frozenset[str]
    tags: tuple[str, ...] | None
    commit_message: str | None


def read_prompt(body: bytes) -> NewPrompt:
    """The version in a body. Raises InvalidBodyError."""
    return _Reading(_object(body)).prompt()


def read_new_labels(body: bytes) -> frozenset[str]:
    """The labels that a body adds to a version. Raises InvalidBodyError."""
    return _Reading(_object(body)).new_labels()


def fault_of_name(name: str) -> str | None:
    """Why this cannot be the name of a prompt."""
    if not 0 < len(name) <= MAX_NAME_CHARACTERS:
        return f"expected a name of 1 to {MAX_NAME_CHARACTERS} characters, got {len(name)}"
    if "|" in name:
        return "expected a name without |"
    if _html.search(name):
        return "expected a name without HTML"
    if name in _reserved:
        return f"expected a name other than {', '.join(sorted(_reserved))}, which are reserved"
    if name.startswith("/") or name.endswith("/") or "//" in name:
        return "expected a name whose slashes stand between folders: none at either end, no two together"
    return None


def _object(body: bytes) -> dict[str, Any]:
    try:
        given: object = load_json(body)
    except NotJsonError as error:
        raise InvalidBodyError([InvalidRequestError(str(error))]) from None
    if not isinstance(given, dict):
        raise InvalidBodyError([InvalidRequestError(f"expected an object, got {kind_of(given)}")])
    return cast("dict[str, Any]", given)


class _Reading:
    """One body, and what was found wrong with it so far. A fault yields a stand-in, so that reading goes on."""

    def __init__(self, given: dict[str, Any]) -> None:
        self._given = given
        self._faults: list[InvalidRequestError] = []

    def prompt(self) -> NewPrompt:
        type_ = self._type()
        prompt, contents = self._chat() if type_ == "chat" else self._text()
        labels = self._labels("labels")
        config = self._given.get("config")
        found = NewPrompt(
            name=self._name(),
            type=type_,
            prompt=prompt,
            contents=contents,
            config="{}" if config is None else dump_json(config),
            labels=labels | {PRODUCTION} if self._given.get("isActive") is True else labels,
            tags=self._tags(),
            commit_message=self._commit_message(),
        )
        return self._faultless(found)

    def new_labels(self) -> frozenset[str]:
        if self._given.get("newLabels") is None:
            self._fault("expected a list of labels, got nothing", "newLabels")
        labels = self._labels("newLabels")
        if LATEST in labels:
            self._fault(f"expected other labels than {LATEST}, which always is with the highest version", "newLabels")
        return self._faultless(labels)

    def _faultless(self, found: _T) -> _T:
        if self._faults:
            raise InvalidBodyError(self._faults)
        return found

    def _fault(self, message: str, *path: str | int) -> None:
        self._faults.append(InvalidRequestError(message, *path))

    def _type(self) -> PromptType:
        type_ = self._given.get("type")
        if type_ is not None and type_ not in ("text", "chat"):
            self._fault(f"expected text or chat, got {kind_of(type_)}", "type")
        return "chat" if type_ == "chat" else "text"

    def _name(self) -> str:
        name = self._given.get("name")
        if not isinstance(name, str):
            self._fault(f"expected a text, got {kind_of(name)}", "name")
            return ""
        fault = fault_of_name(name)
        if fault is not None:
            self._fault(fault, "name")
        return name

    def _text(self) -> tuple[str, tuple[str, ...]]:
        prompt = self._given.get("prompt")
        if isinstance(prompt, str):
            return prompt, (prompt,)
        self._fault(f"expected a text, got {kind_of(prompt)}", "prompt")
        return "", ()

    def _chat(self) -> tuple[str, tuple[str, ...]]:
        messages: object = self._given.get("prompt")
        if not isinstance(messages, list) or len(cast("list[Any]", messages)) > MAX_MESSAGES:
            self._fault(
                f"expected a list of at most {MAX_MESSAGES} messages, got {kind_of(cast('object', messages))}", "prompt"
            )
            return "[]", ()
        given = cast("list[object]", messages)
        contents: list[str] = []
        placeholders: dict[str, int] = {}
        for at, message in enumerate(given):
            self._message(message, at, contents, placeholders)
        for name in placeholders.keys() & {name for content in contents for name in variables_of(content)}:
            self._fault(
                f"expected a placeholder whose name is no variable of the prompt, got {kind_of(name)}",
                "prompt",
                placeholders[name],
                "name",
            )
        return dump_json(given), tuple(contents)

    def _message(self, message: object, at: int, contents: list[str], placeholders: dict[str, int]) -> None:
        if not isinstance(message, dict):
            self._fault(f"expected a message or a placeholder, got {kind_of(message)}", "prompt", at)
            return
        given = cast("dict[str, Any]", message)
        if given.get("type") == "placeholder":
            name = self._string(given.get("name"), ("prompt", at, "name"))
            if not 0 < len(name) <= MAX_PLACEHOLDER_CHARACTERS:
                self._fault(
                    f"expected a name of 1 to {MAX_PLACEHOLDER_CHARACTERS} characters, got {len(name)}",
                    "prompt",
                    at,
                    "name",
                )
            placeholders[name] = at
        else:
            self._string(given.get("role"), ("prompt", at, "role"))
            contents.append(self._string(given.get("content"), ("prompt", at, "content")))

    def _string(self, value: object, path: Path) -> str:
        if isinstance(value, str):
            return value
        self._fault(f"expected a text, got {kind_of(value)}", *path)
        return ""

    def _labels(self, key: str) -> frozenset[str]:
        labels = self._strings(key, MAX_LABELS)
        for at, label in enumerate(labels):
            if _label.fullmatch(label) is None:
                self._fault(
                    f"expected a label of 1 to 36 of a-z, 0-9, _, - and ., got {kind_of(label)}",
                    key,
                    at,
                )
        return frozenset(labels)

    def _tags(self) -> tuple[str, ...] | None:
        if self._given.get("tags") is None:
            return None
        tags = self._strings("tags", MAX_TAGS)
        for at, tag in enumerate(tags):
            if not 0 < len(tag) <= MAX_TAG_CHARACTERS:
                self._fault(f"expected a tag of 1 to {MAX_TAG_CHARACTERS} characters, got {len(tag)}", "tags", at)
        return tuple(dict.fromkeys(tags))

    def _strings(self, key: str, most: int) -> list[str]:
        values: object = self._given.get(key)
        if values is None:
            return []
        if not isinstance(values, list) or len(cast("list[Any]", values)) > most:
            self._fault(f"expected a list of at most {most} texts, got {kind_of(cast('object', values))}", key)
            return []
        return [self._string(value, (key, at)) for at, value in enumerate(cast("list[object]", values))]

    def _commit_message(self) -> str | None:
        message = self._given.get("commitMessage")
        if message is None or (isinstance(message, str) and len(message) <= MAX_COMMIT_CHARACTERS):
            return message
        expected = f"expected a text of at most {MAX_COMMIT_CHARACTERS} characters"
        self._fault(
            f"{expected}, got {len(message) if isinstance(message, str) else kind_of(message)}",
            "commitMessage",
        )
        return None
