"""Label sets are bounded, whatever senders name."""

from tailrace.runtime.metrics import LabelCap


def test_the_first_label_sets_keep_their_names_and_later_ones_are_other() -> None:
    cap = LabelCap(2)

    assert [cap.admit("p1", "m"), cap.admit("p2", "m"), cap.admit("p3", "m")] == [
        ("p1", "m"),
        ("p2", "m"),
        ("other", "other"),
    ]


def test_a_known_label_set_keeps_its_name_at_the_cap() -> None:
    cap = LabelCap(1)
    cap.admit("p1")
    cap.admit("p2")

    assert cap.admit("p1") == ("p1",)


def test_only_what_is_counted_under_other_overflows() -> None:
    cap = LabelCap(1)
    for project in ("p1", "p1", "p2", "p3"):
        cap.admit(project)

    assert cap.overflowed == 2
