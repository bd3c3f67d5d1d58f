"""Images without labels, to predict: single files, folders, zip archives, parquet shards, and lists of them."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from zipfile import BadZipFile

import pyarrow as pa
from pyarrow.parquet import ParquetFile

from nblib.data.folder import archive_members, walk_folder
from nblib.data.images import ImageSource, ParquetImage
from nblib.data.problems import Problem
from nblib.data.text import IMAGE_SUFFIXES, read_text, without_suffix

LIST_SUFFIXES = {".txt", ".csv"}
PREDICTED = IMAGE_SUFFIXES | {".gif", ".bmp", ".tif", ".tiff", ".webp"}  # in folders: all that can be read
CONTAINERS = {".zip", ".parquet"}
LOOSE = 10_000  # single files that make up a shard
MISSING = "no images at {}; expected an image, a folder, a zip archive, a parquet shard, or a text file of paths."


def unlabelled_images(place: str | Path) -> Iterator[tuple[str, ImageSource] | Problem]:
    """The images at `place` one by one, each with its image_id, in the order of their names; problems among them.

    Args:
        place: a folder with images, archives and shards at any depth; a zip archive; a parquet shard with the columns
            image and, optionally, image_id; a text file with a path of any of these per line, relative to that file; or
            an image, whatever its suffix is. The image_id is the name of the file without its suffix.

    Raises:
        FileNotFoundError: nothing is there.
    """
    place = Path(place)
    if place.is_dir():
        return _in_folder(place)
    if not place.is_file():
        raise FileNotFoundError(MISSING.format(place))
    return _in_list(place) if place.suffix.lower() in LIST_SUFFIXES else _in_file(place)


@dataclass(frozen=True)
class Shard:
    """Images that are predicted together: those of an archive, of a parquet file, or of up to `LOOSE` single files.

    `name` is the same whenever the same places are given, and different for each shard of them.
    """

    name: str
    files: tuple[Path, ...]

    def images(self) -> Iterator[tuple[str, ImageSource] | Problem]:
        """As `unlabelled_images`."""
        return chain.from_iterable(map(_in_file, self.files))

    @property
    def fingerprint(self) -> str:
        """Changes when the files are others, or their sizes or dates change; a digest of 16 characters."""
        digest = hashlib.sha256()
        for path in self.files:
            facts = path.stat() if path.is_file() else None
            digest.update(f"{path.name} {facts and (facts.st_size, facts.st_mtime_ns)}\n".encode(errors="replace"))
        return digest.hexdigest()[:16]


def unlabelled_shards(places: Iterable[str | Path]) -> tuple[list[Shard], list[Problem]]:
    """The images at several places (see `unlabelled_images`) as shards, and what was wrong on the way to them.

    An archive or parquet file is named after its path below its place, others `images_00000`, ...

    Raises:
        FileNotFoundError: nothing is at one of the places.
        ValueError: two shards would have one name.
    """
    shards, loose, problems = {}, [], []
    for name, path in chain.from_iterable(map(_files, map(Path, places))):
        if isinstance(path, Problem):
            problems.append(path)
        elif path.suffix.lower() not in CONTAINERS:
            loose.append(path)
        elif (same := shards.setdefault(name, path)) != path:
            raise ValueError(f"{same} and {path} would both be predicted as {name}; rename one, or predict each place "
                             f"by itself.")  # fmt: skip
    named = [Shard(name, (path,)) for name, path in shards.items()]
    starts = range(0, len(loose), LOOSE)
    others = [Shard(f"images_{start // LOOSE:05}", tuple(loose[start : start + LOOSE])) for start in starts]
    return named + others, problems


def _files(place: Path) -> Iterator[tuple[str, Path | Problem]]:
    """Name and path of each file with images at a place: in a folder, in a list of paths, or the place itself."""
    if place.is_dir():
        found = walk_folder(place)
        yield from (("", problem) for problem in found.problems)
        for path in found.having(*PREDICTED, *CONTAINERS):
            yield _shard_name(path.relative_to(place)), path
    elif not place.is_file():
        raise FileNotFoundError(MISSING.format(place))
    elif place.suffix.lower() in LIST_SUFFIXES:
        for name, listed in _listed(place):
            if isinstance(listed, Problem):
                yield "", listed
            else:
                yield from _files(listed) if listed.is_dir() else [(_shard_name(Path(name)), listed)]
    else:
        yield _shard_name(Path(place.name)), place


def _shard_name(path: Path) -> str:
    """`b/part_0.parquet` -> `b__part_0`, `b/pack.zip` -> `b__pack.zip`."""
    kept = path.with_suffix("") if path.suffix.lower() == ".parquet" else path
    return "__".join(part for part in kept.parts if part not in ("/", "..", "."))


def _in_folder(folder: Path) -> Iterator[tuple[str, ImageSource] | Problem]:
    found = walk_folder(folder)
    yield from found.problems
    for path in found.having(*PREDICTED, *CONTAINERS):
        yield from _in_file(path)


def _in_list(path: Path) -> Iterator[tuple[str, ImageSource] | Problem]:
    for _, listed in _listed(path):
        if isinstance(listed, Problem):
            yield listed
        else:
            yield from _in_folder(listed) if listed.is_dir() else _in_file(listed)


def _listed(path: Path) -> Iterator[tuple[str, Path | Problem]]:
    """Each line of a list of paths and the file or folder that it names."""
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not (name := line.strip()):
            continue
        listed = path.parent / name
        what = f"no file {name!r}; expected a path relative to {path.parent}."
        yield name, listed if listed.exists() else Problem(f"{path}:{number}", what)


def _in_file(path: Path) -> Iterator[tuple[str, ImageSource] | Problem]:
    if path.suffix.lower() == ".zip":
        yield from _in_archive(path)
    elif path.suffix.lower() == ".parquet":
        yield from _in_shard(path)
    else:
        yield path.stem, path


def _in_archive(path: Path) -> Iterator[tuple[str, ImageSource] | Problem]:
    try:
        for member, name, _ in archive_members(path):
            yield member if isinstance(member, Problem) else (without_suffix(name), member)
    except (BadZipFile, OSError) as error:
        yield Problem(str(path), f"can't be read as a zip archive ({error}).")


def _in_shard(path: Path) -> Iterator[tuple[str, ImageSource] | Problem]:
    try:
        with ParquetFile(path) as file:
            if "image" not in file.schema_arrow.names:
                raise ValueError("it has no column image")
            for group in range(file.num_row_groups):
                for row, image_id in enumerate(_image_ids(file, path.stem, group)):
                    yield image_id, ParquetImage(path, group, row)
    except (pa.ArrowException, OSError, ValueError) as error:
        yield Problem(str(path), f"can't be read as a parquet shard of images ({error}).")


def _image_ids(file: ParquetFile, name: str, group: int) -> list[str]:
    """The image_ids of a row group; without such a column `<shard>_<row group>_<row>`."""
    if "image_id" in file.schema_arrow.names:
        column = file.read_row_group(group, columns=["image_id"]).column("image_id")
        return [without_suffix(str(value)) for value in column.to_pylist()]
    return [f"{name}_{group}_{row}" for row in range(file.metadata.row_group(group).num_rows)]
