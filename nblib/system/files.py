"""Files that are never half-written."""

import errno
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
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
NO_SYNC = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)  # of file systems that do not do it, for folders at least


@contextmanager
def replacing(path: str | Path, size: int | None = None) -> Iterator[Path]:
    """A path beside `path` to write to; it replaces `path` if the block succeeds and is removed if it fails.

    A reader sees the old file or the new one, never half of one, also after a power cut: what is written is on the disk
    before it gets its name. The suffix is the same: some writers depend on it.
    Missing parent folders are created. A folder may be written too. `size` in bytes, if known, is for error messages.

    Raises:
        OSError: the disk is full; the message says how many bytes are needed and free.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{uuid4().hex[:12]}.{path.name}")
    try:
        yield beside
        for written in (beside, *beside.rglob("*")):
            _sync(written)
        beside.replace(path)
        _sync(path.parent)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        written = beside.stat().st_size if beside.is_file() else 0  # it is removed, and its bytes are free again
        needed = f"about {size:,}" if size else f"more than {written:,}"
        free = shutil.disk_usage(path.parent).free + written
        sentence = f"{os.strerror(error.errno)}: {path} needs {needed} bytes, {free:,} are free there. "
        advice = "Everything saved earlier is intact: make room (or raise the quota or limit), then start again."
        raise OSError(error.errno, sentence + advice) from None
    finally:
        _remove(beside)


def remove_leftovers(folder: str | Path, of: str | None = None) -> None:
    """Removes the unfinished files of killed writers in `folder` and below; only for folders nobody is writing to.

    With `of` only those of the file of this name in `folder`; nobody may be writing that file.
    """
    found = Path(folder).rglob(".*") if of is None else Path(folder).glob(f".{'?' * 12}.{escape(of)}")
    for path in sorted(found):
        if BESIDE.fullmatch(path.name):
            _remove(path)


def take_lock(file: IO, wait: bool = False, shared: bool = False) -> bool | None:
    """Whether this process now holds a lock on the open file; None where locks are not available.

    The lock is released when the file is closed or the process ends, however that happens.

    Args:
        file: an open file.
        wait: waits until the lock is free, instead of returning False.
        shared: several processes may hold the lock, provided that all of them share it.
    """
    if not fcntl:
        return None
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(file, kind if wait else kind | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        return None


def write_json(path: str | Path, content: Any) -> None:
    """Writes `content` to `path` as JSON, whole or not at all."""
    with replacing(path) as beside:
        beside.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _sync(path: Path) -> None:
    """Waits until the content of a file, or the names in a folder, are on the disk."""
    if os.name == "nt" and path.is_dir():  # Windows does not open folders
        return
    file = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(file)
    except OSError as error:
        if error.errno not in NO_SYNC:
            raise
    finally:
        os.close(file)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
