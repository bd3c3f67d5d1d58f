"""Where pixels are kept: images decoded once on all cores, grey where an image is grey, for all runs and processes.

<runs>/pixels/
    lock                  held by the process that decodes; another one waits for it
    <key>_227px/
        facts.json        what the pixels are of
        grey              (G, size, size) uint8: the images whose pixels are all grey, one after the other
        colour            (C, size, size, 3) uint8, RGB: the images that are not
        channels          (N,) uint8, 1 or 3: which of the two files each image is in
    <key>_227px.part/     the same while it is made: a killed process goes on from there

Any of it may be deleted; it is decoded anew when it is needed.
"""

import errno
import json
import logging
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from nblib.data.pixels import FILES, CachedPixels, DecodedPixels, Pixels
from nblib.system import NO_ROOM, ProgressBar, cores, take_lock, write_json

AT_ONCE = 16  # images that a thread decodes before it hands them over
TRIED = 64  # images that tell how much room all of them need, where it may not suffice

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PixelStore:
    """A folder for the pixels of certain images.

    Attributes:
        folder: where they are kept.
        key: changes whenever the images do.
        size: pixels a side.
        sources: what `decode` is given, image by image.
        decode: gives an image, (size, size) uint8 if all of it is grey, else (size, size, 3).
    """

    folder: Path
    key: str
    size: int
    sources: Sequence
    decode: Callable[[Any], np.ndarray]

    def open(self) -> CachedPixels | None:
        """The kept pixels; None where there are none, where some are missing, or where they are of something else."""
        if not self._is_begun(self.folder) or self._whole_images(self.folder) != len(self.sources):
            return None
        return CachedPixels(self.folder, len(self.sources), self.size)

    def keep(self) -> Pixels:
        """The kept pixels, decoded before if need be; where the disk has no room, pixels that are decoded as they go.

        Raises:
            ValueError: an image can't be read; nothing is kept then.
        """
        try:
            kept = self.open()
            return self._make() if kept is None else kept
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            logger.warning(
                "%s has no room for pixels (%s): images are decoded whenever they are needed, which is slower.",
                self.folder.parent,
                error.strerror,
            )
            return DecodedPixels(self.sources, self.size, self.decode)

    def _make(self) -> CachedPixels:
        with _alone(self.folder) as part:
            if (kept := self.open()) is not None:  # made by another process while this one waited
                return kept
            self._require_room(part)
            self._decode_into(part)
            shutil.rmtree(self.folder, ignore_errors=True)  # a damaged one
            part.replace(self.folder)
            return self.open()

    def _require_room(self, part: Path) -> None:
        """Raises OSError where the disk can't hold the images; where it could not if all had colour, some are tried."""
        begun = sum(path.stat().st_size for path in part.glob("*"))
        free = begun + shutil.disk_usage(self.folder.parent).free
        if len(self.sources) * 3 * self.size**2 <= free:
            return
        with ThreadPoolExecutor(cores()) as workers:
            tried = list(workers.map(self.decode, self.sources[:: len(self.sources) // TRIED or 1]))
        needed = sum(image.size for image in tried) * len(self.sources) // len(tried)
        if needed > free:
            raise OSError(errno.ENOSPC, f"about {needed:,} bytes are needed, {free:,} are free")

    def _decode_into(self, part: Path) -> None:
        """Decodes what the folder does not have yet."""
        done = self._take_up(part)
        groups = (self.sources[start : start + AT_ONCE] for start in range(done, len(self.sources), AT_ONCE))
        with ExitStack() as stack:
            files = {name: stack.enter_context((part / name).open("ab")) for name in (*FILES.values(), "channels")}
            workers = stack.enter_context(ThreadPoolExecutor(cores()))
            bar = ProgressBar(desc="decode", total=len(self.sources), initial=done, unit="image")
            stack.enter_context(bar)
            for images in _in_order(workers, self._decode_group, groups):
                _append(images, files)
                bar.update(len(images))
            for file in files.values():
                os.fsync(file.fileno())

    def _decode_group(self, sources: Sequence) -> list[np.ndarray]:
        return [self.decode(source) for source in sources]

    def _take_up(self, part: Path) -> int:
        """How many images the folder has already, cut to whole ones; it is made if it is not there."""
        if not self._is_begun(part):
            shutil.rmtree(part, ignore_errors=True)
            write_json(part / "facts.json", self._facts)
        done = self._whole_images(part)
        for name, size in self._sizes(part, done).items():
            with (part / name).open("ab") as file:
                file.truncate(size)
        return done

    @property
    def _facts(self) -> dict[str, Any]:
        return {"key": self.key, "images": len(self.sources), "size": self.size, "filter": "nearest"}

    def _is_begun(self, folder: Path) -> bool:
        """Whether the folder is for these pixels."""
        try:
            return json.loads((folder / "facts.json").read_text(encoding="utf-8")) == self._facts
        except (FileNotFoundError, ValueError):
            return False

    def _whole_images(self, folder: Path) -> int:
        """How many images, from the first on, are whole in the folder's files."""
        channels = _channels(folder)
        whole = np.logical_and.accumulate(np.isin(channels, list(FILES)))
        for kind, name in FILES.items():
            there = (folder / name).stat().st_size if (folder / name).exists() else 0
            whole &= np.cumsum(channels == kind) * kind * self.size**2 <= there
        return int(whole.sum())

    def _sizes(self, folder: Path, images: int) -> dict[str, int]:
        """Bytes that each file of the folder has for the first so many images."""
        channels = _channels(folder)[:images]
        return {"channels": images} | {
            name: int((channels == kind).sum()) * kind * self.size**2 for kind, name in FILES.items()
        }


@contextmanager
def _alone(folder: Path) -> Iterator[Path]:
    """The folder to make this one in, while no other process makes one; kept by a kill, removed by an error."""
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


def _append(images: list[np.ndarray], files: dict[str, Any]) -> None:
    """Writes images to the files of a store, and last that they are there."""
    for image in images:
        files["grey" if image.ndim == 2 else "colour"].write(image.tobytes())
    files["channels"].write(bytes(1 if image.ndim == 2 else 3 for image in images))
    for file in files.values():
        file.flush()


def _channels(folder: Path) -> np.ndarray:
    try:
        return np.fromfile(folder / "channels", np.uint8)
    except FileNotFoundError:
        return np.empty(0, np.uint8)


def _in_order(workers: Executor, work: Callable, groups: Iterable) -> Iterator:
    """Results of `work` in the order of the groups, of which few are under way at a time: memory stays small."""
    waiting = deque()
    for group in groups:
        waiting.append(workers.submit(work, group))
        if len(waiting) > 4 * cores():
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
