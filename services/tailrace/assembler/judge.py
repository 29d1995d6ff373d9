"""Judging a batch's scores: those that name a config in, what the configs leave of them out. One question to Postgres, none where no score names one."""

from collections.abc import Mapping, Sequence

from tailrace.assembler.mapping import Mapped
from tailrace.assembler.mapping.scores import judge_scores
from tailrace.assembler.repository import Repository
from tailrace.assembler.state import ScoreKey
from tailrace.core.score_configs import ConfigVersion, version_at
from tailrace.wire.topics import RawHeaders


class Judge:
    """The configs that a batch's scores name."""

    def __init__(self, versions: Mapping[ScoreKey, Sequence[ConfigVersion]]) -> None:
        self._versions = versions

    def judge(self, headers: RawHeaders, mapped: Mapped) -> Mapped:
        """The record once its scores are judged, each by the version that held when an edge received it."""

        def find(config_id: str) -> ConfigVersion | None:
            versions = self._versions.get((headers.project_id, config_id), ())
            return version_at(versions, headers.received_at_us)

        return judge_scores(headers, mapped, find)


async def load_judge(repository: Repository, batch: Sequence[tuple[RawHeaders, Mapped]]) -> Judge:
    """Who judges these records. Raises the errors of asyncpg."""
    named = [(headers, mapped.configured) for headers, mapped in batch if mapped.configured]
    if not named:
        return Judge({})
    wanted = {(headers.project_id, score.config_id): None for headers, scores in named for score in scores}
    received = [headers.received_at_us for headers, _ in named]
    return Judge(await repository.load_score_configs(list(wanted), min(received), max(received)))
