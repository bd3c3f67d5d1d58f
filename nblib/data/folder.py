"""A data folder: its files, and the images in its subfolders and zip archives."""

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from heapq import merge
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from zipfile import BadZipFile, ZipFile

import pandas as pd

from nblib.data.categories import CATEGORIES
from nblib.data.images import ImageSource, ZipMember
from nblib.data.problems import Problem
from nblib.data.text import IMAGE_SUFFIXES

SPLITS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev", "development"),
    "test": ("test", "testing"),
}
SplitOf = Callable[[str, tuple[str, ...]], str | None]  # from an image_id and its folders to a split
OTHER_SUFFIXES = (".gif", ".tif", ".tiff", ".bmp", ".webp")


@dataclass(frozen=True)
class DataFolder:
    """A folder and all files in it, sorted; hidden ones (`.name`) are ignored."""

    path: Path
    files: tuple[Path, ...]
    problems: tuple[Problem, ...]

    def having(self, *suffixes: str) -> list[Path]:
        """The files with one of these suffixes, in upper or lower case."""
        return list(merge(*(self._by_suffix.get(suffix, ()) for suffix in suffixes)))

    @cached_property
    def _by_suffix(self) -> dict[str, list[Path]]:
        found = defaultdict(list)
        for path in self.files:
            found[path.suffix.lower()].append(path)
        return dict(found)


class ImageFile(NamedTuple):
    """An image, wherever its bytes are; `category` only where the folder's name says it."""

    image_id: str
    path: ImageSource | None
    split: str
    category: str | None


@dataclass(frozen=True)
class Contents:
    """What a data folder contains, not yet matched: images, rows of the lists (`listed`), and problems so far.

    `manual` is image_id -> manually curated concepts, where the layout has such lists; `test_ids` are the test images
    in the order of an `ids.csv`, where there is one.
    """

    images: list[ImageFile]
    listed: pd.DataFrame
    problems: list[Problem]
    manual: dict[str, tuple[str, ...]] = field(default_factory=dict)
    test_ids: list[str] = field(default_factory=list)


def walk_folder(path: str | Path) -> DataFolder:
    """The folder and its files.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    path = Path(path)
    if not path.is_dir():
        raise FileNotFoundError(
            f"no data folder at {path}. Expected images in train/, val/ and test/ with concept lists beside them; "
            f"`nblib sample {path}` draws a synthetic sample there."
        )
    found = list(_walk(path, path.resolve()))
    files = tuple(entry for entry in found if isinstance(entry, Path))
    return DataFolder(path, files, tuple(entry for entry in found if isinstance(entry, Problem)))


@lru_cache(maxsize=256)
def split_named(*words: str) -> str | None:
    """The split that one of the words names, looking at whole words: `DRCT_CLEF_Train` -> `train`."""
    tokens = {token for word in words for token in re.split(r"[^a-z]+", word.lower())}
    return next((split for split, names in SPLITS.items() if tokens & set(names)), None)


def split_of_folders(image_id: str, folders: tuple[str, ...]) -> str | None:
    """The split that the outermost of the folders names."""
    return next(filter(None, map(split_named, folders)), None)


def split_in_id(image_id: str) -> str | None:
    """The split that an ID names before its number: `ImageCLEFmedical_Caption_2026_valid_000007` -> `val`."""
    return split_named(image_id.rstrip("0123456789"))


def find_images(folder: DataFolder, split_of: SplitOf) -> tuple[list[ImageFile], list[Problem]]:
    """All images in folders or archives whose split is known, and what is wrong with them."""
    top = len(folder.path.parts)
    files = ((path, path.name, path.parts[top:-1]) for path in folder.having(*IMAGE_SUFFIXES))
    images, problems = _placed(files, folder, split_of)
    if others := folder.having(*OTHER_SUFFIXES):
        what = f"{len(others):,} images are none of .jpg, .png, .dcm, such as {others[0]}; not read. Convert them."
        problems.append(Problem(str(folder.path), what, serious=False))
    unpacked = {(image.split, image.image_id) for image in images}
    for archive in folder.having(".zip"):
        try:
            members, found = _placed(archive_members(archive), folder, split_of)
        except (BadZipFile, OSError) as error:
            what = f"can't be read as a zip archive ({error}); download it again."
            members, found = [], [Problem(str(archive), what)]
        if members and unpacked.issuperset((image.split, image.image_id) for image in members):
            what = "its images are also unpacked beside it; the unpacked ones are read."
            members, found = [], [Problem(str(archive), what, serious=False)]
        images += members
        problems += found
    return images, problems


def _walk(folder: Path, top: Path) -> Iterator[Path | Problem]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        path = Path(entry.path)
        if entry.name.startswith("."):
            continue
        if (name := os.fsencode(entry.name).decode("utf-8", "backslashreplace")) != entry.name:
            yield Problem(str(folder / name), "the name is not UTF-8; left out. Rename it.", serious=False)
        elif entry.is_symlink() and not path.resolve().is_relative_to(top):
            what = "a link that leads out of the data folder; copy its target into the folder."
            yield Problem(str(path), what, image_id=path.stem if path.suffix.lower() in IMAGE_SUFFIXES else None)
        elif entry.is_dir(follow_symlinks=False):
            yield from _walk(path, top)
        elif entry.is_file():
            yield path
        elif entry.is_symlink():
            yield Problem(str(path), "a link to a folder, or to nothing; it is not followed.", serious=False)


def archive_members(archive: Path) -> Iterator[tuple[ZipMember | Problem, str, tuple[str, ...]]]:
    """Each image of the archive, its name and its folders; the archive's own name counts as a folder."""
    with ZipFile(archive) as content:
        entries = content.infolist()
    for entry in entries:
        inside = PurePosixPath(entry.filename)
        if inside.suffix.lower() not in IMAGE_SUFFIXES or inside.name.startswith("."):
            continue
        if inside.is_absolute() or ".." in inside.parts or "\\" in entry.filename:
            what = f"{entry.filename!r} leads out of the archive; it is not read. Pack the archive without such names."
            yield Problem(str(archive), what, image_id=inside.stem), inside.name, ()
        else:
            yield ZipMember(archive, entry.filename, entry.file_size), inside.name, (*inside.parts[:-1], archive.stem)


def _placed(found: Iterator, folder: DataFolder, split_of: SplitOf) -> tuple[list[ImageFile], list[Problem]]:
    """The images in `found`, with name and folders, whose split is known; all others become one problem."""
    images, problems, unplaced = [], [], []
    for path, name, folders in found:
        if isinstance(path, Problem):
            problems.append(path)
        elif (split := split_of(image_id := name.rpartition(".")[0], folders)) is None:
            unplaced.append(path)
        else:
            category = folders[-1] if folders and folders[-1] in CATEGORIES else None
            images.append(ImageFile(image_id, path, split, category))
    if unplaced:
        what = f"{len(unplaced):,} images, such as {unplaced[0]}, are in no folder named train, val or test; left out."
        problems.append(Problem(str(folder.path), what, serious=False))
    return images, problems
