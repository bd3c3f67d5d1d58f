"""Images without labels, to predict: single files, folders, zip archives, parquet shards, and lists of them."""

from collections.abc import Iterator
from pathlib import Path
from zipfile import BadZipFile

import pyarrow as pa
from pyarrow.parquet import ParquetFile

from nblib.data.folder import archive_members, walk_folder
from nblib.data.images import ImageSource, ParquetImage
from nblib.data.problems import Problem
from nblib.data.text import IMAGE_SUFFIXES, read_text, without_suffix

LIST_SUFFIXES = {".txt", ".csv"}


def unlabelled_images(place: str | Path) -> Iterator[tuple[str, ImageSource] | Problem]:
    """The images at `place` one by one, each with its image_id, in the order of their names; problems among them.

    Args:
        place: a folder with images, archives and shards at any depth; a zip archive; a parquet shard with the columns
            image and, optionally, image_id; a text file with one path per line, relative to that file; or an image,
            whatever its suffix is. The image_id is the name of the file without its suffix.

    Raises:
        FileNotFoundError: nothing is there.
    """
    place = Path(place)
    if place.is_dir():
        return _in_folder(place)
    if not place.is_file():
        raise FileNotFoundError(f"no images at {place}; expected an image, a folder, a zip archive, a parquet shard, "
                                f"or a text file with one path per line.")  # fmt: skip
    return _in_list(place) if place.suffix.lower() in LIST_SUFFIXES else _in_file(place)


def _in_folder(folder: Path) -> Iterator[tuple[str, ImageSource] | Problem]:
    found = walk_folder(folder)
    yield from found.problems
    for path in found.having(*IMAGE_SUFFIXES, ".zip", ".parquet"):
        yield from _in_file(path)


def _in_list(path: Path) -> Iterator[tuple[str, ImageSource] | Problem]:
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not (name := line.strip()):
            continue
        if (image := path.parent / name).is_file():
            yield from _in_file(image)
        else:
            yield Problem(f"{path}:{number}", f"no file {name!r}; expected a path relative to {path.parent}.")


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
