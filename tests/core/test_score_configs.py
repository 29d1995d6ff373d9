"""How a config judges a score: its version by the time of receipt, its type, its range and its categories."""

from typing import Any

import pytest

from tailrace.core.score_configs import Category, ConfigDataType, ConfigError, ConfigVersion, version_at


def make_config(data_type: ConfigDataType = "NUMERIC", **values: Any) -> ConfigVersion:
    defaults: dict[str, Any] = {
        "id": "c",
        "name": "quality",
        "min_value": None,
        "max_value": None,
        "categories": (),
        "is_archived": False,
        "effective_us": 0,
        "superseded_us": None,
    }
    return ConfigVersion(data_type=data_type, **defaults | values)


def test_the_version_of_a_score_is_the_one_that_held_when_it_was_received() -> None:
    first, second = make_config(effective_us=10, superseded_us=20), make_config(effective_us=20)

    assert [version_at([second, first], at) for at in (9, 10, 19, 20, 99)] == [None, first, first, second, second]


@pytest.mark.parametrize(("value", "fits"), [(-1.0, False), (0.0, True), (0.5, True), (1.0, True), (1.1, False)])
def test_a_number_is_within_the_bounds_which_belong_to_it(value: float, fits: bool) -> None:
    config = make_config(min_value=0, max_value=1)

    if fits:
        assert config.number_of(value, None) == value
    else:
        with pytest.raises(ConfigError, match=r"asks for a value of at (least 0|most 1), got"):
            config.number_of(value, None)


def test_a_missing_bound_bounds_nothing() -> None:
    assert make_config(max_value=1).number_of(-1e300, None) == -1e300
    assert make_config(min_value=1).number_of(1e300, None) == 1e300


def test_a_category_is_stored_as_its_number_and_an_unknown_one_is_refused() -> None:
    config = make_config("CATEGORICAL", categories=(Category(label="good", value=2), Category(label="bad", value=-1)))

    assert config.number_of(0, "bad") == -1
    with pytest.raises(ConfigError, match="has no category 'Good'"):
        config.number_of(0, "Good")


def test_texts_and_booleans_keep_their_numbers() -> None:
    assert make_config("TEXT").number_of(0, "any words") == 0
    assert make_config("BOOLEAN").number_of(1, "True") == 1


def test_a_type_may_be_left_to_the_config_but_not_contradict_it() -> None:
    make_config("BOOLEAN").check_type(None)
    make_config("BOOLEAN").check_type("BOOLEAN")
    with pytest.raises(ConfigError, match="asks for dataType BOOLEAN, got NUMERIC"):
        make_config("BOOLEAN").check_type("NUMERIC")


def test_an_archived_config_takes_no_scores() -> None:
    with pytest.raises(ConfigError, match="is archived"):
        make_config(is_archived=True).check_type("NUMERIC")
