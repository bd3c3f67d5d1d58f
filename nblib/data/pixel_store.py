"""The cache of pixels on disk: images decoded once on all cores, stored in grey where they are grey, for all processes.

<runs>/pixels/
    lock                  held by the process that decodes; another one waits for it
    <key>_227px/
        facts.json        which images, at which size
        grey              (G, size, size) uint8: the images whose pixels are all grey, one after the other
        colour            (C, size, size, 3) uint8, RGB: the others
        channels          (N,) uint8, 1 or 3: which of the two files each image is in
    <key>_227px.part/     the same while it is written: after a kill the next process resumes there

Any of it may be deleted; it is decoded again when it is needed.
"""

import errno
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from nblib.data.pixels import FILES, CachedPixels, DecodedPixels, Pixels
from nblib.system import NO_ROOM, ProgressBar, cores, take_lock, write_json

AT_ONCE = 128  # images that are decoded before they are written
SAMPLED = 64  # images whose size on disk is extrapolated to all, where the disk may be too full

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PixelStore:
    """A folder for the pixels of certain images.

    Attributes:
        folder: where they are stored.
        key: changes whenever the images do.
        size: pixels per side.
        sources: what `decode` takes, one per image.
        decode: returns an image, (size, size) uint8 if all of it is grey, else (size, size, 3).
        filter: how it resizes.
    """

    folder: Path
    key: str
    size: int
    sources: Sequence
    decode: Callable[[Any], np.ndarray]
    filter: str = "nearest"

    def open(self) -> CachedPixels | None:
        """The stored pixels; None where there are none, where some are missing, or where they are of other images."""
        complete = self._complete_images(self.folder) == len(self.sources)
        return CachedPixels(self.folder, len(self.sources), self.size) if complete else None

    def load(self) -> Pixels:
        """The stored pixels, decoded first if need be; where the disk has no room, pixels that are decoded on access.

        Raises:
            ValueError: an image can't be read; nothing is stored then.
        """
        try:
            stored = self.open()
            return self._build() if stored is None else stored
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            what = "%s has no room for pixels (%s): images are decoded whenever they are needed, which is slower."
            logger.warning(what, self.folder.parent, error.strerror)
            return DecodedPixels(self.sources, self.size, self.decode)

    def _build(self) -> CachedPixels:
        with _locked(self.folder) as part:
            if (stored := self.open()) is not None:  # built by another process while this one waited
                return stored
            self._require_room(part)
            self._decode_into(part)
            shutil.rmtree(self.folder, ignore_errors=True)  # a damaged one
            part.replace(self.folder)
            return self.open()

    def _require_room(self, part: Path) -> None:
        """Raises OSError if the disk can't hold the images; if it could not in colour, some are decoded to estimate."""
        begun = sum(path.stat().st_size for path in part.glob("*"))
        free = begun + shutil.disk_usage(self.folder.parent).free
        if len(self.sources) * 3 * self.size**2 <= free:
            return
        with ThreadPoolExecutor(cores()) as workers:
            sampled = list(workers.map(self.decode, self.sources[:: len(self.sources) // SAMPLED or 1]))
        needed = sum(image.size for image in sampled) * len(self.sources) // len(sampled)
        if needed > free:
            raise OSError(errno.ENOSPC, f"about {needed:,} bytes are needed, {free:,} are free")

    def _decode_into(self, part: Path) -> None:
        """Decodes the images that the folder does not have yet."""
        done = self._resume(part)
        with (
            ThreadPoolExecutor(cores()) as workers,
            ProgressBar(desc="decode", total=len(self.sources), initial=done, unit="image") as bar,
            (part / "grey").open("ab") as grey,
            (part / "colour").open("ab") as colour,
            (part / "channels").open("ab") as channels,
        ):
            for start in range(done, len(self.sources), AT_ONCE):
                images = list(workers.map(self.decode, self.sources[start : start + AT_ONCE]))
                for image in images:
                    (grey if image.ndim == 2 else colour).write(image.tobytes())
                channels.write(bytes(1 if image.ndim == 2 else 3 for image in images))
                for file in (grey, colour, channels):  # last which images there are
                    file.flush()
                bar.update(len(images))
            for file in (grey, colour, channels):
                os.fsync(file.fileno())

    def _resume(self, part: Path) -> int:
        """How many images the folder has already, truncated to complete ones; it is created if need be."""
        done = self._complete_images(part)
        if done is None:
            shutil.rmtree(part, ignore_errors=True)
            write_json(part / "facts.json", self._facts)
            return 0
        for name, ends in _ends(part, self.size).items():
            os.truncate(part / name, ends[done - 1] if done else 0)
        return done

    @property
    def _facts(self) -> dict[str, Any]:
        return {"key": self.key, "images": len(self.sources), "size": self.size, "filter": self.filter}

    def _complete_images(self, folder: Path) -> int | None:
        """How many images, from the first on, are complete in the folder; None if it is not for these images."""
        try:
            if json.loads((folder / "facts.json").read_text(encoding="utf-8")) != self._facts:
                return None
            complete = np.isin(np.fromfile(folder / "channels", np.uint8), list(FILES))
            for name, ends in _ends(folder, self.size).items():
                complete &= ends <= (folder / name).stat().st_size
        except (FileNotFoundError, ValueError):
            return None
        return int(np.logical_and.accumulate(complete).sum())


@contextmanager
def _locked(folder: Path) -> Iterator[Path]:
    """Yields the folder to build in, holding the lock; an error removes it, after a kill it stays, to be resumed."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = folder.with_name(f"{folder.name}.part")
    with (folder.parent / "lock").open("ab") as file:
        locked = take_lock(file)
        if locked is False:
            logger.warning("another process decodes images in %s; waiting for it.", folder.parent)
            take_lock(file, wait=True)
        if locked is None:  # no locks here: a folder of its own, so that none writes into another's
            part = folder.with_name(f".{uuid4().hex[:12]}.{folder.name}")
        try:
            yield part
        except (OSError, ValueError):
            shutil.rmtree(part, ignore_errors=True)
            raise


def _ends(folder: Path, size: int) -> dict[str, np.ndarray]:
    """For each file of the folder the bytes it has up to each image, (N,)."""
    channels = np.fromfile(folder / "channels", np.uint8)
    pixels = {name: np.cumsum(channels == kind) * kind * size**2 for kind, name in FILES.items()}
    return {**pixels, "channels": np.arange(len(channels)) + 1}
