"""Pixels of many images as a network takes them: memory-mapped from cached files, or decoded as they are needed."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from nblib.system import cores

FILES = {1: "grey", 3: "colour"}  # channels of an image -> the file of a store with such images


class Pixels:
    """Pixels of N images, (N, size, size, 3) uint8 in RGB when indexed or converted to an array.

    `batch` and `batch_by_colour` are for networks: grey images, as most are, are not tripled for a few in colour.
    Both take rows, (n,), and which of these images are mirrored left to right, `flipped`, (n,) bool (None: none).
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
        """Pixels of these rows: (n, size, size, 1) if all of the images are grey, else (n, size, size, 3), RGB."""
        return stack_images(_mirrored(self.images(rows), flipped), self.shape[1])

    def batch_by_colour(self, rows: np.ndarray, flipped: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
        """Pixels of these rows, grey and coloured images separately; `nblib.training.models.ToRGB` joins them.

        Returns:
            The position of each image, (n,) int32, among the grey ones followed by the coloured ones;
            the grey ones, (g, size, size, 1), and the coloured ones, (n - g, size, size, 3), RGB.
        """
        images = _mirrored(self.images(rows), flipped)
        coloured = np.array([image.ndim == 3 for image in images], bool)
        positions = np.argsort(np.argsort(coloured, kind="stable"))  # the second one inverts the first
        kinds = ([image for image in images if image.ndim == ndim] for ndim in (2, 3))
        grey, in_colour = (_stacked(kind, self.shape[1], channels) for kind, channels in zip(kinds, FILES, strict=True))
        return positions.astype(np.int32), grey, in_colour


class CachedPixels(Pixels):
    """Pixels in the files of a folder, memory-mapped: read when accessed, once for all processes."""

    def __init__(self, folder: Path, images: int, size: int):
        super().__init__(images, size)
        self._is_grey = np.fromfile(folder / "channels", np.uint8) == 1
        self._places = np.where(self._is_grey, self._is_grey.cumsum(), (~self._is_grey).cumsum()) - 1
        self._grey = _mapped(folder / FILES[1], (size, size))
        self._colour = _mapped(folder / FILES[3], (size, size, 3))

    def images(self, rows: np.ndarray) -> list[np.ndarray]:
        """The images of these rows as views of the files: nothing is read yet."""
        places = zip(self._is_grey[rows].tolist(), self._places[rows].tolist(), strict=True)
        return [self._grey[place] if is_grey else self._colour[place] for is_grey, place in places]


class DecodedPixels(Pixels):
    """Pixels decoded whenever they are accessed, on all cores; `sources` and `decode` are those of a `PixelStore`."""

    def __init__(self, sources: Sequence, size: int, decode: Callable):
        super().__init__(len(sources), size)
        self._sources, self._decode = sources, decode
        self._workers = ThreadPoolExecutor(cores())

    def images(self, rows: np.ndarray) -> list[np.ndarray]:
        """The images of these rows, decoded."""
        return list(self._workers.map(self._decode, [self._sources[row] for row in rows]))


class ChosenPixels(Pixels):
    """Some images of other pixels, (n,) `rows` of them; nothing is copied."""

    def __init__(self, pixels: Pixels, rows: np.ndarray):
        super().__init__(len(rows), pixels.shape[1])
        self._pixels, self._rows = pixels, rows

    def images(self, rows: np.ndarray) -> list[np.ndarray]:
        """The images of these rows, as the other pixels give them."""
        return self._pixels.images(self._rows[rows])


class JoinedPixels(Pixels):
    """The pixels of several sets of images, one after the other; nothing is copied."""

    def __init__(self, parts: Sequence[Pixels]):
        super().__init__(sum(map(len, parts)), parts[0].shape[1])
        self._parts, self._ends = parts, np.cumsum([len(part) for part in parts])

    def images(self, rows: np.ndarray) -> list[np.ndarray]:
        """The images of these rows, as their parts give them."""
        numbers = np.searchsorted(self._ends, rows, side="right")
        within = rows - (self._ends - [len(part) for part in self._parts])[numbers]
        found = np.empty(len(rows), object)
        for number in np.unique(numbers):
            chosen = np.flatnonzero(numbers == number)
            for place, image in zip(chosen, self._parts[number].images(within[chosen]), strict=True):
                found[place] = image
        return list(found)


def _mirrored(images: list[np.ndarray], flipped: np.ndarray | None) -> list[np.ndarray]:
    """The images as views, mirrored left to right where `flipped` says so."""
    if flipped is None:
        return images
    return [image[:, ::-1] if mirrored else image for image, mirrored in zip(images, flipped, strict=True)]


def stack_images(images: list[np.ndarray], size: int) -> np.ndarray:
    """A batch of decoded images: (n, size, size, 1) if all of them are grey, else (n, size, size, 3), RGB."""
    return _stacked(images, size, 1 if all(image.ndim == 2 for image in images) else 3)


def _stacked(images: list[np.ndarray], size: int, channels: int) -> np.ndarray:
    """One array of these images, (n, size, size, channels); a grey image fills all channels.

    NumPy takes 5 times as long to copy a mirrored or grey image into all channels at once as channel by channel.
    """
    pixels = np.empty((len(images), size, size, channels), np.uint8)
    for image, place in zip(images, pixels, strict=True):
        if image.shape == place.shape and image.flags.c_contiguous:
            place[...] = image
            continue
        for channel in range(channels):
            place[..., channel] = image if image.ndim == 2 else image[..., channel]
    return pixels


def _mapped(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """The images of this shape in a file, (n, *shape), read-only; a plain array, which is faster to index."""
    if path.stat().st_size == 0:  # an empty file can't be mapped
        return np.empty((0, *shape), np.uint8)
    return np.asarray(np.memmap(path, np.uint8, "r")).reshape(-1, *shape)
