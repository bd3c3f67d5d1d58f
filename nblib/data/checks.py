"""What is wrong with the image files themselves: checked by `nblib check` only, not by notebooks."""

import hashlib
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from pathlib import PurePath

import pandas as pd
from PIL import Image

from nblib.data.images import UNREADABLE, ImageSource, ParquetImage, open_image
from nblib.data.problems import Problem
from nblib.data.text import IMAGE_SUFFIXES
from nblib.system import ProgressBar

SUFFIXES = {"JPEG": (".jpg", ".jpeg"), "MPO": (".jpg", ".jpeg"), "PNG": (".png",), "DICOM": (".dcm",)}
AT_ONCE = 64  # images per task of a thread: a task for each image would take longer than reading its header
ORIENTATION = 0x0112  # EXIF tag; 1 is upright


def check_images(images: pd.DataFrame, pixels: bool = False) -> list[Problem]:
    """What is wrong with the images of a tidy table: each header is read, and with `pixels` each image decoded.

    With `pixels` also which images are duplicates, byte for byte. Terminals and notebooks show a progress bar.
    """
    there = images[images["path"].notna()]
    with warnings.catch_warnings(), ThreadPoolExecutor() as workers:
        warnings.simplefilter("ignore")  # what Pillow warns about is among the problems
        parts = [there.iloc[start : start + AT_ONCE] for start in range(0, len(there), AT_ONCE)]
        found = chain.from_iterable(workers.map(partial(_check_part, pixels=pixels), parts))
        problems = list(chain.from_iterable(ProgressBar(found, "check", len(there), unit="image")))
    return [*problems, *_same_bytes(there)] if pixels else problems


def check_image(image_id: str, path: ImageSource, pixels: bool = False) -> list[Problem]:
    """What is wrong with one image; what is not serious says how it is read."""
    try:
        with path.open("rb") as stream:
            if not stream.read(1):
                what = "zero bytes; download the file again or leave the image out."
                return [Problem(str(path), what, True, image_id)]
            stream.seek(0)
            with open_image(stream) as image:
                found = [Problem(str(path), what, False, image_id) for what in _oddities(image, str(path))]
                if image.width * image.height > Image.MAX_IMAGE_PIXELS:
                    raise Image.DecompressionBombError(f"{image.width:,} x {image.height:,} pixels are too many")
                if pixels:
                    image.load()
                return found
    except UNREADABLE as error:
        why = str(error).rstrip(".") or type(error).__name__
        return [Problem(str(path), f"can't be read as an image ({why}); repair it or leave it out.", True, image_id)]


def _same_bytes(images: pd.DataFrame) -> Iterator[Problem]:
    """A note on each image that equals another; those in parquet shards, whose size is not known, are skipped."""
    images = images[~images["path"].map(lambda path: isinstance(path, ParquetImage)).astype(bool)]
    sizes = images["path"].map(lambda path: path.stat().st_size)
    first_with = {}
    for row in images[sizes.duplicated(keep=False) & (sizes > 0)].itertuples():
        try:
            with row.path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").digest()
        except OSError:
            continue  # reported already
        first = first_with.setdefault(digest, row)
        if first is not row:
            what = f"the same image, byte for byte, as {first.path} ({first.image_id}, {first.split})."
            yield Problem(str(row.path), what, False, row.image_id)


def _check_part(images: pd.DataFrame, pixels: bool) -> list[list[Problem]]:
    """The problems of each image."""
    return [check_image(row.image_id, row.path, pixels) for row in images.itertuples()]


def _oddities(image: Image.Image, name: str) -> Iterator[str]:
    """What training ignores in an image that can be read."""
    suffix = PurePath(name).suffix.lower()
    if suffix in IMAGE_SUFFIXES and suffix not in SUFFIXES.get(image.format, ()):
        yield f"a {image.format} file by its content, whatever its name says; read as {image.format}."
    if image.mode.startswith("I;16"):
        yield "16 bits per pixel; only the upper 8 are used."
    if image.mode == "CMYK":
        yield "CMYK, made for print; converted to RGB, colours may differ."
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        yield "has transparency; it is dropped."
    if getattr(image, "n_frames", 1) > 1:
        which = "middle" if image.format == "DICOM" else "first"
        yield f"{image.n_frames} frames; only the {which} one is used."
    if "exif" in image.info and image.getexif().get(ORIENTATION, 1) != 1:  # else getexif decodes a PNG
        yield f"EXIF orientation {image.getexif()[ORIENTATION]} is not applied; rotate the pixels themselves."
