"""The images of a data folder: files in folders named after a split, or members of zip archives."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from zipfile import BadZipFile, ZipFile

from nblib.data.categories import CATEGORIES
from nblib.data.folder import DataFolder, split_named
from nblib.data.problems import Problem
from nblib.data.sources import ImageSource, ZipMember
from nblib.data.text import IMAGE_SUFFIXES

OTHER_SUFFIXES = (".gif", ".tif", ".tiff", ".bmp", ".webp", ".dcm")


class ImageFile(NamedTuple):
    """An image, wherever its bytes are; `category` only where a folder says it."""

    image_id: str
    path: ImageSource | None
    split: str
    category: str | None


def find_images(folder: DataFolder) -> tuple[list[ImageFile], list[Problem]]:
    """All images in folders or archives that name a split, and what is wrong with them."""
    images, problems = _placed(_files(folder), folder)
    problems += _of_other_kinds(folder)
    unpacked = {(image.split, image.image_id) for image in images}
    for archive in folder.having(".zip"):
        try:
            members, found = _placed(_members(archive), folder)
        except (BadZipFile, OSError) as error:
            found, members = [Problem(str(archive), f"can't be read as a zip archive ({error}); get it anew.")], []
        if members and unpacked.issuperset((image.split, image.image_id) for image in members):
            what = "its images lie unpacked beside it; those are read."
            found, members = [Problem(str(archive), what, serious=False)], []
        images += members
        problems += found
    return images, problems


def _of_other_kinds(folder: DataFolder) -> Iterator[Problem]:
    """One note on the image files of kinds that no layout has."""
    others = folder.having(*OTHER_SUFFIXES)
    if others:
        what = f"{len(others):,} images are neither .jpg nor .png, such as {others[0]}; not read. Convert them."
        yield Problem(str(folder.path), what, serious=False)


def _files(folder: DataFolder) -> Iterator[tuple[Path, str, tuple[str, ...]]]:
    """Each image file, its name and the folders it is in, counted from the data folder."""
    top = len(folder.path.parts)
    for path in folder.having(*IMAGE_SUFFIXES):
        yield path, path.name, path.parts[top:-1]


def _members(archive: Path) -> Iterator[tuple[ZipMember | Problem, str, tuple[str, ...]]]:
    """Each image of the archive, its name and its folders; the archive's own name stands for a folder."""
    with ZipFile(archive) as content:
        entries = content.infolist()
    for entry in entries:
        inside = PurePosixPath(entry.filename)
        if inside.suffix.lower() not in IMAGE_SUFFIXES or inside.name.startswith("."):
            continue
        if inside.is_absolute() or ".." in inside.parts or "\\" in entry.filename:
            what = f"{entry.filename!r} leaves the archive; it is not read. Pack the archive without such names."
            yield Problem(str(archive), what, image_id=inside.stem), inside.name, ()
        else:
            yield ZipMember(archive, entry.filename, entry.file_size), inside.name, (*inside.parts[:-1], archive.stem)


def _placed(found: Iterator, folder: DataFolder) -> tuple[list[ImageFile], list[Problem]]:
    """The images whose folders name a split; how many have none is a problem of the data folder."""
    images, problems, unplaced = [], [], []
    for path, name, folders in found:
        split = _split_of(folders)
        if isinstance(path, Problem):
            problems.append(path)
        elif split is None:
            unplaced.append(path)
        else:
            category = folders[-1] if folders and folders[-1] in CATEGORIES else None
            images.append(ImageFile(name.rpartition(".")[0], path, split, category))
    if unplaced:
        what = f"{len(unplaced):,} images, such as {unplaced[0]}, lie in no folder named train, val or test; left out."
        problems.append(Problem(str(folder.path), what, serious=False))
    return images, problems


@lru_cache(maxsize=256)
def _split_of(folders: tuple[str, ...]) -> str | None:
    return next(filter(None, map(split_named, folders)), None)
