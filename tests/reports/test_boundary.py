"""Work on the files of strangers: what goes wrong is a reason, and work is bounded."""

import errno

import pytest

from nblib.reports.boundary import Damage, attempt, readable


def forever():
    while True:
        pass


def deeper():
    return deeper()


def failing(error):
    def work():
        raise error

    return work


def test_work_that_succeeds_returns_what_it_made():
    assert attempt(lambda: 3) == 3


@pytest.mark.parametrize(
    "work, reason",
    [
        (failing(ValueError("line 3 is text\nmore")), "line 3 is text"),
        (failing(KeyError()), "KeyError"),
        (failing(MemoryError()), "MemoryError"),
        (failing(ValueError("name \udcff")), "name \\udcff"),
        (failing(ValueError("x" * 1000)), "x" * 300),
        (deeper, "it is nested too deeply"),
    ],
)
def test_any_error_is_a_reason_of_one_line(work, reason):
    assert attempt(work) == Damage(reason)


def test_endless_work_is_stopped():
    assert attempt(forever, seconds=0.1) == Damage("it takes more than 0.1 s to render")
    assert attempt(lambda: "again") == "again"


def test_a_full_disk_is_not_a_damaged_file():
    with pytest.raises(OSError, match="full"):
        attempt(failing(OSError(errno.ENOSPC, "full")))


def test_readable_text_can_be_written():
    assert readable("a\udcff.ipynb").encode() == b"a\\udcff.ipynb"
