"""A boundary around the work on one file of a stranger: whatever goes wrong inside is a reason, and work is bounded."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from nblib.system import NO_ROOM

SECONDS = 15  # of processor time for one page: a page of this project takes less than one
LONGEST = 300  # characters of a reason

Result = TypeVar("Result")


@dataclass(frozen=True)
class Damage:
    """Why something could not be read or rendered, in one line."""

    reason: str


class TooLong(Exception):
    """The work took more processor time than allowed."""


def attempt(work: Callable[[], Result], seconds: float = SECONDS) -> Result | Damage:
    """What `work` returns, or the reason why it failed: any exception, or more than `seconds` of processor time.

    Raises:
        OSError: there is no room to write.
    """
    try:
        with _limited(seconds):
            return work()
    except TooLong:
        return Damage(f"it takes more than {seconds:g} s to render")
    except RecursionError:
        return Damage("it is nested too deeply")
    except Exception as error:  # of any kind: the file may hold anything
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            raise
        text = str(error).strip() or type(error).__name__
        return Damage(readable(text.splitlines()[0])[:LONGEST])


def readable(text: str) -> str:
    """The text with what can't be written as UTF-8, such as bytes of a file's name, as escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Raises TooLong in the block after so much processor time; only the main thread has such a timer."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGPROF"):
        yield
        return

    def stop(*_):
        raise TooLong

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
