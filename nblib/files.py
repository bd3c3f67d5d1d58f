"""Files that are never half-written."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A path beside `path` to write to; it becomes `path` when the block ends well and vanishes when it does not.

    A reader sees the old file or the new one, never half of one. The suffix is kept, since some writers look at it.
    Folders above `path` are made; what is written may itself be a folder.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{uuid4().hex[:12]}.{path.name}")
    try:
        yield beside
        beside.replace(path)
    finally:
        if beside.is_dir():
            shutil.rmtree(beside)
        else:
            beside.unlink(missing_ok=True)


def write_json(path: str | Path, content: Any) -> None:
    """Writes `content` to `path` as JSON, whole or not at all."""
    with replacing(path) as beside:
        beside.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
