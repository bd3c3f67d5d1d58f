"""Pixels of many images as a network is given them: mapped from files that keep them, or decoded as they are needed."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from nblib.system import cores

FILES = {1: "grey", 3: "colour"}  # where a store keeps images of so many channels


class Pixels:
    """Pixels of N images, (N, size, size, 3) uint8 in RGB as indexing and NumPy see them.

    `batch` and `apart` are for networks: a grey image, as most are, is not copied three times for a few in colour.

    A subclass has `images`, which gives those of some rows as they are kept.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, images: int, size: int):
        self.shape = (images, size, size, 3)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: int | slice | np.ndarray) -> np.ndarray:
        chosen = np.arange(len(self))[rows]
        batch = self.batch(np.atleast_1d(chosen))
        pixels = np.broadcast_to(batch, (*batch.shape[:3], 3))
        return pixels if chosen.ndim else pixels[0]

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return np.array(self[:], dtype=dtype)

    def images(self, rows: np.ndarray) -> list[np.ndarray]:
        """The images of these rows, each (size, size) if all of it is grey, else (size, size, 3)."""
        raise NotImplementedError

    def batch(self, rows: np.ndarray, flipped: np.ndarray | None = None) -> np.ndarray:
        """Pixels of these rows: (n, size, size, 1) where all of the images are grey, else (n, size, size, 3), RGB.

        Args:
            rows: (n,).
            flipped: (n,), whether each is wanted mirrored left to right; None: none is.
        """
        images = _mirrored(self.images(rows), flipped)
        return _together(images, self.shape[1], 1 if all(image.ndim == 2 for image in images) else 3)

    def apart(self, rows: np.ndarray, flipped: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Pixels of these rows, grey images apart from those in colour, for `nblib.training.models.InColour` to put together.

        Args:
            rows: (n,).
            flipped: (n,), whether each is wanted mirrored left to right; None: none is.

        Returns:
            The place of each image, (n,) int32, among the grey ones and, behind them, those in colour;
            the grey ones, (g, size, size, 1), and those in colour, (n - g, size, size, 3), RGB.
        """
        images = _mirrored(self.images(rows), flipped)
        in_colour = np.array([image.ndim == 3 for image in images], bool)
        grey_first = np.argsort(in_colour, kind="stable")
        places = np.argsort(grey_first)  # the inverse: where each image went
        grey = [image for image in images if image.ndim == 2]
        coloured = [image for image in images if image.ndim == 3]
        return places.astype(np.int32), _together(grey, self.shape[1], 1), _together(coloured, self.shape[1], 3)


class CachedPixels(Pixels):
    """Pixels in the files of a folder, mapped: read when touched, once for all processes."""

    def __init__(self, folder: Path, images: int, size: int):
        super().__init__(images, size)
        self._is_grey = np.fromfile(folder / "channels", np.uint8) == 1
        self._places = np.where(self._is_grey, self._is_grey.cumsum(), (~self._is_grey).cumsum()) - 1
        self._grey = _mapped(folder / FILES[1], (size, size))
        self._colour = _mapped(folder / FILES[3], (size, size, 3))

    def images(self, rows: np.ndarray) -> list[np.ndarray]:
        """The images of these rows where they lie in the files: nothing is read yet."""
        places = zip(self._is_grey[rows].tolist(), self._places[rows].tolist(), strict=True)
        return [self._grey[place] if is_grey else self._colour[place] for is_grey, place in places]


class DecodedPixels(Pixels):
    """Pixels decoded whenever they are asked for, on all cores.

    Args:
        sources: what `decode` is given, image by image.
        size: pixels a side.
        decode: gives an image, (size, size) uint8 if all of it is grey, else (size, size, 3).
    """

    def __init__(self, sources: Sequence, size: int, decode: Callable):
        super().__init__(len(sources), size)
        self._sources, self._decode = sources, decode
        self._workers = ThreadPoolExecutor(cores())

    def images(self, rows: np.ndarray) -> list[np.ndarray]:
        """The images of these rows, decoded."""
        return list(self._workers.map(self._decode, [self._sources[row] for row in rows]))


def _mirrored(images: list[np.ndarray], flipped: np.ndarray | None) -> list[np.ndarray]:
    """The images, mirrored left to right where told so: seen that way, not copied."""
    if flipped is None:
        return images
    return [image[:, ::-1] if mirrored else image for image, mirrored in zip(images, flipped, strict=True)]


def _together(images: list[np.ndarray], size: int, channels: int) -> np.ndarray:
    """One array of these images, (n, size, size, channels)."""
    pixels = np.empty((len(images), size, size, channels), np.uint8)
    for image, place in zip(images, pixels, strict=True):
        _copy(image, place)
    return pixels


def _copy(image: np.ndarray, place: np.ndarray) -> None:
    """Copies an image, (S, S) or (S, S, 3), into (S, S, 1) or (S, S, 3): as one piece, or channel by channel.

    NumPy takes 5 times as long for a mirrored or spread image when it is told to copy all channels at once.
    """
    if image.shape == place.shape and image.flags.c_contiguous:
        place[...] = image
        return
    for channel in range(place.shape[2]):
        place[..., channel] = image if image.ndim == 2 else image[..., channel]


def _mapped(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """The images of this shape in a file, (n, *shape), read-only; a plain array, which is faster to index."""
    if path.stat().st_size == 0:  # nothing can be mapped
        return np.empty((0, *shape), np.uint8)
    return np.asarray(np.memmap(path, np.uint8, "r")).reshape(-1, *shape)
