"""The JavaScript packages whose telemetry is recorded: which story tells it, through which exporter, and what it cannot tell."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

STORIES: Final = Path(__file__).parent / "stories"


@dataclass(frozen=True, kw_only=True)
class Framework:
    """One recorded combination. Its record is `js-<name>`.

    `package`: what is looked at, as npm names it. `arguments`: what its story is told, the exporter first. `absent`: what of the
    story's facts does not stand in the record, and why.
    """

    name: str
    story: str
    package: str
    arguments: tuple[str, ...] = ()
    absent: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def folder(self) -> Path:
        return STORIES / self.story


_ALL: Final = (
    *(
        Framework(name=f"vercel-{major}-{name}", story=f"vercel-{major}", package="ai", arguments=arguments)
        for major in (4, 5, 6, 7)
        for name, arguments in (("langfuse", ("langfuse",)), ("otlp", ("otlp-protobuf",)))
    ),
    Framework(name="vercel-7-legacy-otlp", story="vercel-7", package="ai", arguments=("otlp-json", "legacy")),
    Framework(name="vercel-7-everything-otlp", story="vercel-7", package="ai", arguments=("otlp-json", "everything")),
)
FRAMEWORKS: Final = {framework.name: framework for framework in _ALL}
