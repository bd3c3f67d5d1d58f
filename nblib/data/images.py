"""Pixels: decode, resize by nearest neighbour, keep, and serve in batches with flipped copies."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from simplejpeg import decode_jpeg, decode_jpeg_header

from nblib.data.pixel_store import PixelStore
from nblib.data.pixels import Pixels
from nblib.data.sources import ImageSource, open_source

# JPEGs that libjpeg-turbo decodes for us without Pillow, by colours and sampling of their channels, and in which mode.
# Others (CMYK, RGB without YCbCr, rare samplings) go through Pillow.
PLAIN_JPEGS = {("Gray", "Gray"): "L", ("YCbCr", "444"): "RGBX", ("YCbCr", "422"): "RGBX", ("YCbCr", "420"): "RGBX"}
TURBO_MODES = {"L": "GRAY", "RGBX": "RGBX"}


def decode_image(path: str | ImageSource, size: int) -> np.ndarray:
    """The image as (size, size, 3) uint8 RGB, resized by nearest neighbour without cropping.

    Paper: section 4, "scaled to the input resolution of the CNN using nearest filtering, without any cropping".

    Raises:
        ValueError: the file is no image that Pillow can read.
    """
    try:
        with open_source(path) as stream, Image.open(stream) as image:
            resized = _eight_bits(image).resize((size, size), Image.Resampling.NEAREST)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(
            f"{path} can't be read as an image ({error}); repair it or leave it out: `nblib check DATA "
            f"--quarantine FILE` lists all such images, and the parameter `quarantine` takes that FILE."
        ) from None
    resized.info.pop("transparency", None)  # RGB has none, and Pillow warns of a palette's
    return np.asarray(resized.convert("RGB"))


def decode_compactly(path: str | ImageSource, size: int) -> np.ndarray:
    """The same pixels as `decode_image`, as (size, size) uint8 where all of them are grey, else (size, size, 3).

    Plain JPEGs are decoded by libjpeg-turbo as Pillow does, without Pillow's way there; all else by Pillow.

    Raises:
        ValueError: the file is no image that Pillow can read.
    """
    image = _plain_jpeg(path)
    image = image.resize((size, size), Image.Resampling.NEAREST) if image else Image.fromarray(decode_image(path, size))
    if image.mode == "L":
        return np.asarray(image)
    red, green, blue = (image.getchannel(channel).tobytes() for channel in "RGB")
    if red == green == blue:
        return np.frombuffer(red, np.uint8).reshape(size, size)
    return np.asarray(image)[..., :3]


def image_sizes(images: pd.DataFrame) -> pd.DataFrame:
    """The rows of `images` with width and height in pixels added; NaN where there is no picture or it can't be read.

    Reads the head of each file only.
    """
    with ThreadPoolExecutor() as workers:
        sizes = list(workers.map(_size, images["path"]))
    width, height = np.array(sizes, dtype=float).reshape(-1, 2).T
    return images.assign(width=width, height=height)


def cache_pixels(images: pd.DataFrame, size: int, folder: str | Path) -> Pixels:
    """Pixels of all `images`, (N, size, size, 3) uint8: decoded once, kept in `folder`, mapped from there ever after.

    Args:
        images: a tidy table with image_id and path, one row an image; a change of names, order, sizes or
            dates of the files makes them others.
        size: pixels a side.
        folder: where pixels are kept (`nblib.data.pixel_store`).

    Kept pixels that were lost or cut short are made anew. Where the disk has no room, images are decoded whenever they
    are needed, and a warning says so.

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
    decode = partial(decode_compactly, size=size)
    return PixelStore(Path(folder) / f"{key}_{size}px", key, size, images["path"].tolist(), decode).keep()


def pixel_key(images: pd.DataFrame) -> str:
    """Changes whenever names, order, sizes or dates of the images' files do; a digest of 16 characters."""
    rows = zip(images["image_id"], (path.stat() for path in images["path"]), strict=True)
    facts = "\n".join(f"{image_id} {stat.st_size} {stat.st_mtime_ns}" for image_id, stat in rows)
    return hashlib.sha256(facts.encode()).hexdigest()[:16]


def _eight_bits(image: Image.Image) -> Image.Image:
    """The upper eight bits of an image of 16, any other as it is.

    Before it is resized: where a middle falls between two pixels, Pillow takes another one in 16 bits than in 8.
    """
    if not image.mode.startswith("I;16"):
        return image
    return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))


def _plain_jpeg(path: str | ImageSource) -> Image.Image | None:
    """The image, L or RGBX, if it is a JPEG without anything unusual, and None otherwise."""
    try:
        with open_source(path) as stream:
            content = stream.read()
        height, width, *colours = decode_jpeg_header(content)
        mode = PLAIN_JPEGS.get(tuple(colours))
        if mode is None or height * width > Image.MAX_IMAGE_PIXELS:
            return None
        pixels = decode_jpeg(content, TURBO_MODES[mode])
    except (OSError, ValueError):
        return None
    return Image.frombuffer(mode, (width, height), pixels, "raw", mode, 0, 1)


def _size(path: str | ImageSource | None) -> tuple[float, float]:
    if path is None:
        return np.nan, np.nan
    try:
        with open_source(path) as stream, Image.open(stream) as image:
            return image.size
    except (OSError, SyntaxError, Image.DecompressionBombError):
        return np.nan, np.nan
