"""Topics on a real broker, and the partition count that Postgres keeps."""

import pytest

from tailrace.admin.topics import topics_wanted
from tailrace.runtime.settings import Kafka
from tests.admin.conftest import Query, Tailrace


def test_the_configuration_follows_the_settings() -> None:
    small, large = topics_wanted(Kafka(retention_days=2)), topics_wanted(Kafka(replication_factor=3))

    assert small[0].name == "tailrace.observations.raw"
    assert {topic.config["retention.ms"] for topic in small} == {"172800000"}
    assert {topic.config["min.insync.replicas"] for topic in small} == {"1"}
    assert {topic.config["min.insync.replicas"] for topic in large} == {"2"}
    assert {topic.config["cleanup.policy"] for topic in large} == {"delete"}


@pytest.mark.integration
@pytest.mark.usefixtures("kafka_bootstrap")
class TestOnABroker:
    def test_topics_are_created_once_and_the_count_is_fixed_in_postgres(
        self, tailrace: Tailrace, query: Query, topic_prefix: str
    ) -> None:
        first = tailrace("topics")
        again = tailrace("topics", TAILRACE_PARTITIONS="5")

        assert (first.code, again.code) == (0, 0)
        assert f"created {topic_prefix}observations.raw with 2 partitions" in first.out
        assert f"exists  {topic_prefix}observations.raw with 2 partitions" in again.out
        assert query("select partitions from streams where name = 'raw'") == [{"partitions": 2}]
        progress = query("select partition, applied_origin, epoch from stream_progress order by partition")
        assert [tuple(row.values()) for row in progress] == [(0, -1, 0), (1, -1, 0)]

    def test_a_topic_of_another_count_is_refused(self, tailrace: Tailrace, query: Query, topic_prefix: str) -> None:
        tailrace("topics")
        query("update streams set partitions = 3")

        refused = tailrace("topics")

        assert refused.code == 1
        assert refused.err.startswith(f"tailrace: the topic {topic_prefix}")
        assert "has 2 partitions, Postgres says 3" in refused.err
        assert refused.err.count("\n") == 1

    def test_a_topic_that_postgres_does_not_know_must_have_the_count_of_the_settings(
        self, tailrace: Tailrace, query: Query
    ) -> None:
        tailrace("topics")
        query("delete from streams")

        refused = tailrace("topics", TAILRACE_PARTITIONS="6")
        accepted = tailrace("topics")

        assert refused.code == 1
        assert "has 2 partitions, TAILRACE_PARTITIONS says 6" in refused.err
        assert accepted.code == 0

    def test_a_refused_creation_leaves_the_count_open(self, tailrace: Tailrace, query: Query) -> None:
        refused = tailrace("topics", TAILRACE_REPLICATION_FACTOR="3")

        assert refused.code == 1
        assert "Kafka refused the topic" in refused.err
        assert query("select * from streams") == []

    def test_a_missing_topic_is_made_again_with_the_stored_count(
        self, tailrace: Tailrace, query: Query, topic_prefix: str
    ) -> None:
        query("insert into streams (name, partitions) values ('raw', 3)")

        assert f"created {topic_prefix}observations.raw with 3 partitions" in tailrace("topics").out

    def test_a_changed_retention_is_told_and_only_altered_when_asked(
        self, tailrace: Tailrace, topic_prefix: str
    ) -> None:
        tailrace("topics")
        changed = {"TAILRACE_RETENTION_DAYS": "3"}

        told = tailrace("topics", **changed)
        altered = tailrace("topics", "--alter", **changed)
        after = tailrace("topics", **changed)

        line = f"{topic_prefix}observations.raw: retention.ms"
        assert f"differs {line} is 604800000, the settings say 259200000" in told.out
        assert f"altered {line} was 604800000" in altered.out
        assert "differs" not in after.out

    def test_a_broker_that_does_not_answer_is_one_sentence(self, tailrace: Tailrace) -> None:
        refused = tailrace("topics", TAILRACE_KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1")

        assert refused.code == 1
        assert refused.err.startswith("tailrace: no broker answers at 127.0.0.1:1")
        assert refused.err.count("\n") == 1
