"""Where the bytes of an image are when it is no file of its own: in a zip archive or in a parquet shard.

Both open as a `Path` does and tell their size as a `Path` does, so that a table of images may hold any of the three.
"""

import io
import os
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from types import SimpleNamespace
from typing import BinaryIO
from zipfile import BadZipFile, ZipFile

import pyarrow as pa
from pyarrow import parquet

_ONE_AT_A_TIME = Lock()


@dataclass(frozen=True)
class ZipMember:
    """An image in a zip archive; `size` in bytes as the archive tells it."""

    archive: Path
    name: str
    size: int

    def __str__(self) -> str:
        return f"{self.archive}:{self.name}"

    def open(self, mode: str = "rb") -> BinaryIO:
        """Its bytes as a stream. Raises OSError where the archive is damaged."""
        try:
            return io.BytesIO(_archive(self.archive, _version(self.archive)).read(self.name))
        except (BadZipFile, zlib.error, KeyError, EOFError, NotImplementedError, RuntimeError) as error:
            raise OSError(f"{self.archive} is damaged: {error}") from None

    def stat(self) -> SimpleNamespace:
        """`st_size`, as of a file, and `st_mtime_ns` of the archive."""
        return SimpleNamespace(st_size=self.size, st_mtime_ns=self.archive.stat().st_mtime_ns)


@dataclass(frozen=True)
class ParquetImage:
    """An image in a row of a parquet shard: row `row` of row group `group`, column `image` (bytes, path)."""

    shard: Path
    group: int
    row: int

    def __str__(self) -> str:
        return f"{self.shard}:{self.group}.{self.row}"

    def open(self, mode: str = "rb") -> BinaryIO:
        """Its bytes as a stream. Raises OSError where the shard is damaged or the row has no image."""
        with _ONE_AT_A_TIME:
            content = _row_group(self.shard, _version(self.shard), self.group)[self.row].as_py()
        if not content:
            raise OSError("the row has no image")
        return io.BytesIO(content)

    def stat(self) -> SimpleNamespace:
        """`st_size` and `st_mtime_ns` of the whole shard: the size of one image is known only after reading it."""
        facts = self.shard.stat()
        return SimpleNamespace(st_size=facts.st_size, st_mtime_ns=facts.st_mtime_ns)


ImageSource = Path | ZipMember | ParquetImage


def open_source(source: str | ImageSource) -> BinaryIO:
    """The bytes of an image as a stream, wherever they are."""
    return (Path(source) if isinstance(source, str) else source).open("rb")


def _version(path: Path) -> tuple[int, int]:
    """What tells a file from one that replaced it."""
    facts = os.stat(path)  # noqa: PTH116 - called for each image
    return facts.st_mtime_ns, facts.st_size


@lru_cache(maxsize=8)
def _archive(path: Path, version: tuple[int, int]) -> ZipFile:
    return ZipFile(path)


@lru_cache(maxsize=2)  # neighbours are asked for one after the other
def _row_group(shard: Path, version: tuple[int, int], group: int) -> pa.ChunkedArray:
    try:
        with parquet.ParquetFile(shard) as file:
            column = file.read_row_group(group, columns=["image"]).column("image")
    except pa.ArrowException as error:
        raise OSError(f"{shard} is damaged: {error}") from None
    return pa.compute.struct_field(column, "bytes") if pa.types.is_struct(column.type) else column
