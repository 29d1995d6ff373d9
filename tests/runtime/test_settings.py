"""Settings: one reading of the environment, every problem at once, and no secret anywhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.runtime.settings import Secret, Settings, SettingsError, describe_settings, environment_of, load_settings


def problems_of(environment: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        load_settings(environment)
    return refused.value.problems


def test_nothing_set_is_the_defaults() -> None:
    assert load_settings({}) == Settings()


def test_an_empty_variable_is_unset() -> None:
    assert load_settings({"TAILRACE_PORT": "", "TAILRACE_POSTGRES_DSN": ""}) == Settings()


def test_variables_of_others_are_ignored() -> None:
    assert load_settings({"PATH": "x", "LANGFUSE_HOST": "y", "TAILRACE_TEST_ANYTHING": "z"}) == Settings()


def test_all_problems_are_told_at_once_each_with_its_variable() -> None:
    problems = problems_of(
        {
            "TAILRACE_PORT": "http",
            "TAILRACE_HTTP_PORT": "65536",
            "TAILRACE_PARTITIONS": "0",
            "TAILRACE_STALL_SECONDS": "-1",
            "TAILRACE_PARTITION": "8",
        }
    )

    assert sorted(problem.partition(":")[0] for problem in problems) == [
        "TAILRACE_HTTP_PORT",
        "TAILRACE_PARTITION",
        "TAILRACE_PARTITIONS",
        "TAILRACE_PORT",
        "TAILRACE_STALL_SECONDS",
    ]


def test_a_problem_says_what_was_expected_and_what_came() -> None:
    assert problems_of({"TAILRACE_PARTITIONS": "eight"}) == [
        "TAILRACE_PARTITIONS: expected a whole number (partitions), got 'eight'"
    ]
    assert problems_of({"TAILRACE_PARTITIONS": "0"}) == ["TAILRACE_PARTITIONS: expected at least 1 partitions, got 0"]


@given(st.text())
def test_a_secret_shows_itself_nowhere(text: str) -> None:
    assert repr(Secret(text)) == str(Secret(text)) == f"{Secret(text)}" == "Secret('…')"


def test_a_secret_in_the_settings_is_not_in_their_repr() -> None:
    settings = load_settings({"TAILRACE_POSTGRES_DSN": "postgresql://u:hunter2@h/d"})

    assert "hunter2" not in repr(settings)
    assert settings.postgres.dsn is not None
    assert settings.postgres.dsn.reveal() == "postgresql://u:hunter2@h/d"


def test_the_environment_of_settings_makes_them_again() -> None:
    settings = load_settings(
        {"TAILRACE_POSTGRES_DSN": "postgresql://h/d", "TAILRACE_PARTITIONS": "3", "TAILRACE_LOG_LEVEL": "debug"}
    )

    assert load_settings(environment_of(settings)) == settings


def test_every_setting_is_described_with_unit_and_meaning() -> None:
    rows = describe_settings()

    assert len({row.variable for row in rows}) == len(rows)
    assert all(row.variable.startswith("TAILRACE_") and row.unit and row.meaning for row in rows)
