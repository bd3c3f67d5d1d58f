"""Images: where their bytes are, decoding, resizing by nearest neighbour, and caching.

An image is a file, a member of a zip archive, a row of a parquet shard or an upload in memory; all have the `open` and
`stat` of a `Path`.
"""

import hashlib
import io
import os
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from threading import Lock
from types import SimpleNamespace
from typing import BinaryIO
from zipfile import BadZipFile, ZipFile

import numpy as np
import pandas as pd
import pyarrow as pa
from PIL import Image, ImageOps, UnidentifiedImageError
from pyarrow import parquet

from nblib.data.dicom import DicomImage, is_dicom
from nblib.data.pixel_store import PixelStore
from nblib.data.pixels import Pixels

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP")  # Pillow would hand others, such as EPS, to other programs
UNREADABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
_ONE_AT_A_TIME = Lock()


@dataclass(frozen=True, slots=True)
class ZipMember:
    """An image in a zip archive; `size` in bytes as the archive states it."""

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


@dataclass(frozen=True, slots=True)
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

    def stat(self) -> os.stat_result:
        """That of the whole shard: the size of one image is known only after reading it."""
        return self.shard.stat()


@dataclass(frozen=True)
class ImageInMemory:
    """An image that was uploaded: the name of its file, and its bytes, which are on no disk."""

    name: str
    content: bytes = field(repr=False)

    def __str__(self) -> str:
        return self.name

    def open(self, mode: str = "rb") -> BinaryIO:
        """Its bytes as a stream."""
        return io.BytesIO(self.content)

    def stat(self) -> SimpleNamespace:
        """`st_size`, as of a file, and `st_mtime_ns` 0."""
        return SimpleNamespace(st_size=len(self.content), st_mtime_ns=0)


ImageSource = Path | ZipMember | ParquetImage | ImageInMemory


class UnreadableImage(ValueError):
    """A file that is no image, or a damaged one; `why` says it without the advice for data folders."""

    def __init__(self, path: str | ImageSource, error: Exception):
        self.why = f"{path} can't be read as an image ({str(error).rstrip('.') or type(error).__name__})"
        advice = "`nblib check DATA --quarantine FILE` lists all such images, and the parameter `quarantine` takes that"
        super().__init__(f"{self.why}; repair it or leave it out: {advice} FILE.")


def open_image(stream: BinaryIO) -> Image.Image:
    """The image in a stream of bytes, not decoded yet: the only place where images are opened.

    Raises:
        UnidentifiedImageError, or another of `UNREADABLE`: it is neither an image in one of `FORMATS` nor DICOM.
    """
    if is_dicom(stream):
        return DicomImage(stream)
    try:
        return Image.open(stream, formats=FORMATS)
    except UnidentifiedImageError:
        raise UnidentifiedImageError(f"its content is none of {', '.join(FORMATS)}, DICOM") from None


def decode_image(path: str | ImageSource, size: int, resize: str = "nearest") -> np.ndarray:
    """The image as (size, size, 3) uint8 RGB, resized by nearest neighbour, or another of `RESIZERS`, without cropping.

    Paper: section 4, "scaled to the input resolution of the CNN using nearest filtering, without any cropping".

    Raises:
        UnreadableImage: a ValueError; Pillow can't read the file as an image.
    """
    return np.asarray(_resized(path, size, resize).convert("RGB"))


def decode_compactly(path: ImageSource, size: int, resize: str = "nearest") -> np.ndarray:
    """The same pixels as `decode_image`, (size, size) uint8 where all of them are grey.

    Raises:
        UnreadableImage: a ValueError; Pillow can't read the file as an image.
    """
    image = _resized(path, size, resize)
    if image.mode == "L":
        return np.asarray(image)
    image = image.convert("RGB")
    red, green, blue = (channel.tobytes() for channel in image.split())
    return np.asarray(image.getchannel(0) if red == green == blue else image)


def image_sizes(images: pd.DataFrame) -> pd.DataFrame:
    """`images` with width and height in pixels, read from the files' headers; NaN where none can be read."""
    with ThreadPoolExecutor() as workers:
        sizes = list(workers.map(_size, images["path"]))
    width, height = np.array(sizes, dtype=float).reshape(-1, 2).T
    return images.assign(width=width, height=height)


def cache_pixels(images: pd.DataFrame, size: int, folder: str | Path, resize: str = "nearest") -> Pixels:
    """Pixels of all `images`, (N, size, size, 3) uint8: decoded once, cached in `folder`, memory-mapped from then on.

    They are decoded again where cached pixels were lost or truncated, or after a change of names, order, sizes or
    dates of the files. Where the disk has no room, they are decoded whenever they are needed, and a warning says so.

    Raises:
        FileNotFoundError: images are listed that are not on disk.
        ValueError: a file can't be read as an image.
    """
    missing = images.loc[images["path"].isna(), "image_id"]
    if len(missing):
        raise FileNotFoundError(
            f"{len(missing):,} of {len(images):,} images are listed but not on disk, such as {missing.iloc[0]}; "
            f"`nblib check` lists them all. Training needs the pixels."
        )
    key = pixel_key(images)
    decode = partial(decode_compactly, size=size, resize=resize)
    store = Path(folder) / f"{key}_{pixels_name(size, resize)}"
    return PixelStore(store, key, size, images["path"].tolist(), decode, resize).load()


def pixels_name(size: int, resize: str) -> str:
    """How the names of folders of such pixels end."""
    return f"{size}px" if resize == "nearest" else f"{size}px_{resize}"


def pixel_key(images: pd.DataFrame) -> str:
    """Changes whenever names, order, sizes or dates of the images' files do; a digest of 16 characters."""
    rows = zip(images["image_id"], (path.stat() for path in images["path"]), strict=True)
    facts = "\n".join(f"{image_id} {stat.st_size} {stat.st_mtime_ns}" for image_id, stat in rows)
    return hashlib.sha256(facts.encode()).hexdigest()[:16]


def _averaged(image: Image.Image) -> Image.Image:
    """The image in a mode whose values can be averaged: L where it is grey without transparency, else RGB."""
    if image.mode == "L":
        return image
    image.load()
    image.info.pop("transparency", None)
    return image.convert("L" if image.mode == "1" else "RGB")


# Ways to make an image (size, size). Pillow's bilinear filter takes the mean over a shrunk image's pixels (antialias).
RESIZERS = {
    "nearest": lambda image, size: image.resize((size, size), Image.Resampling.NEAREST),
    "bilinear": lambda image, size: _averaged(image).resize((size, size), Image.Resampling.BILINEAR),
    "letterbox": lambda image, size: ImageOps.pad(_averaged(image), (size, size), Image.Resampling.BILINEAR),
}


def _resized(path: str | ImageSource, size: int, resize: str) -> Image.Image:
    """The image, (size, size) in its own mode, or in L if it has 16 bits per pixel.

    The upper eight bits are taken first, because Pillow's nearest neighbour differs between 16-bit and 8-bit images.
    """
    try:
        with (Path(path) if isinstance(path, str) else path).open("rb") as stream, open_image(stream) as image:
            if image.mode.startswith("I;16"):
                image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
            resized = RESIZERS[resize](image, size)
    except UNREADABLE as error:
        raise UnreadableImage(path, error) from None
    resized.info.pop("transparency", None)  # RGB has none, and Pillow warns of a palette's
    return resized


def _size(path: ImageSource | None) -> tuple[float, float]:
    if path is None:
        return np.nan, np.nan
    try:
        with path.open("rb") as stream, open_image(stream) as image:
            return image.size
    except UNREADABLE:
        return np.nan, np.nan


def _version(path: Path) -> tuple[int, int]:
    """Distinguishes a file from one that replaced it."""
    facts = os.stat(path)  # noqa: PTH116 - called for each image
    return facts.st_mtime_ns, facts.st_size


@lru_cache(maxsize=8)
def _archive(path: Path, version: tuple[int, int]) -> ZipFile:
    return ZipFile(path)


@lru_cache(maxsize=2)  # images are read in order, so mostly from the same row group
def _row_group(shard: Path, version: tuple[int, int], group: int) -> pa.ChunkedArray:
    try:
        with parquet.ParquetFile(shard) as file:
            column = file.read_row_group(group, columns=["image"]).column("image")
    except pa.ArrowException as error:
        raise OSError(f"{shard} is damaged: {error}") from None
    return pa.compute.struct_field(column, "bytes") if pa.types.is_struct(column.type) else column
