"""The ids of runs and of executions: the ones that SDKs compute themselves, and the same for whoever computes them."""

from hashlib import sha256

from tailrace.core.experiments import run_id, run_item_id


def test_a_run_has_the_id_that_the_python_sdk_computes() -> None:
    text = '["langfuse-experiment-v1","p","d","Läufe \\"1\\""]'

    assert run_id("p", "d", 'Läufe "1"') == sha256(text.encode()).hexdigest()[:16]


def test_the_parts_of_an_id_never_run_into_each_other() -> None:
    ids = {run_id("a", "b", "c"), run_id("ab", "", "c"), run_id("a", "", "bc"), run_id("a", "b,c", "")}

    assert len(ids) == 4


def test_a_lone_surrogate_has_an_id_too() -> None:
    assert len(run_id("p", "d", "\ud800")) == 16


def test_an_execution_is_known_by_its_run_item_and_trace() -> None:
    assert run_item_id("r", "i", "t") == run_item_id("r", "i", "t")
    assert (
        len(
            {
                run_item_id("r", "i", "t"),
                run_item_id("r", "i", "u"),
                run_item_id("r", "j", "t"),
                run_item_id("s", "i", "t"),
            }
        )
        == 4
    )
