"""A data folder walked through once: its files, and links that lead out of it."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nblib.data.problems import Problem
from nblib.data.text import IMAGE_SUFFIXES

SPLITS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev", "development"),
    "test": ("test", "testing"),
}


@dataclass(frozen=True)
class DataFolder:
    """A folder and all files in it, sorted; hidden ones (`.name`) are no data."""

    path: Path
    files: tuple[Path, ...]
    problems: tuple[Problem, ...]

    def having(self, *suffixes: str) -> list[Path]:
        """The files with one of these suffixes, in upper or lower case."""
        return [path for path in self.files if path.suffix.lower() in suffixes]


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


def split_named(*words: str) -> str | None:
    """The split that one of the words names, looking at whole words: `DRCT_CLEF_Train` -> `train`."""
    tokens = {token for word in words for token in re.split(r"[^a-z]+", word.lower())}
    return next((split for split, names in SPLITS.items() if tokens & set(names)), None)


def _walk(folder: Path, top: Path) -> Iterator[Path | Problem]:
    entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    for entry in entries:
        path = Path(entry.path)
        if entry.name.startswith("."):
            continue
        if entry.is_symlink() and not path.resolve().is_relative_to(top):
            what = "a link that leaves the data folder; copy what it leads to into the folder."
            yield Problem(str(path), what, image_id=path.stem if path.suffix.lower() in IMAGE_SUFFIXES else None)
        elif entry.is_dir(follow_symlinks=False):
            yield from _walk(path, top)
        elif entry.is_file():
            yield path
        elif entry.is_symlink():
            yield Problem(str(path), "a link to a folder, or to nothing; it is not followed.", serious=False)
