"""Files that are never half-written."""

import errno
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

try:
    import fcntl
except ImportError:  # Windows has no such locks
    fcntl = None

BESIDE = re.compile(r"\.[0-9a-f]{12}\..+")  # names that `replacing` writes to
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP)


@contextmanager
def replacing(path: str | Path, size: int | None = None) -> Iterator[Path]:
    """A path beside `path` to write to; it becomes `path` when the block ends well and vanishes when it does not.

    A reader sees the old file or the new one, never half of one. The suffix is kept, since some writers look at it.
    Folders above `path` are made; what is written may itself be a folder.

    Args:
        path: the file.
        size: bytes that will be written, where they are known, for the error's sake.

    Raises:
        OSError: the disk is full; it says how many bytes are needed and free.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{uuid4().hex[:12]}.{path.name}")
    try:
        yield beside
        beside.replace(path)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise OSError(error.errno, _what_is_needed(path, beside, size, error.errno)) from None
    finally:
        _remove(beside)


def remove_leftovers(folder: str | Path) -> None:
    """Removes what killed writers left beside their files, in `folder` and below; for folders nobody writes to now."""
    for path in sorted(Path(folder).rglob(".*")):
        if BESIDE.fullmatch(path.name):
            _remove(path)


def take_lock(file: IO, wait: bool = False, shared: bool = False) -> bool | None:
    """Whether this process now has the lock of the open file; None where there are no locks.

    The lock goes when the file is closed or the process ends, however that happens. With `wait` it waits for it. Shared
    it is had together with others that share it, and tells whether one has it alone.
    """
    try:
        if fcntl:
            kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
            fcntl.flock(file, kind if wait else kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        return None
    return True if fcntl else None


def write_json(path: str | Path, content: Any) -> None:
    """Writes `content` to `path` as JSON, whole or not at all."""
    with replacing(path) as beside:
        beside.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _what_is_needed(path: Path, beside: Path, size: int | None, number: int) -> str:
    written = beside.stat().st_size if beside.is_file() else 0  # it is removed, and its room is free again
    needed = f"about {size:,}" if size else f"more than {written:,}"
    free = shutil.disk_usage(path.parent).free + written
    return (
        f"{os.strerror(number)}: {path} needs {needed} bytes, {free:,} are free there. "
        f"What was kept before is whole: make room (or raise the quota or limit), then start again."
    )


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
