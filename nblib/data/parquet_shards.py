"""ROCOv2 as parquet shards with the columns image, image_id, caption and cui; images are read from them as they are."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
from pyarrow.parquet import ParquetFile, read_schema

from nblib.data.folder import Contents, DataFolder, ImageFile, split_named
from nblib.data.images import ParquetImage
from nblib.data.lists import LIST_SUFFIXES, check_line, listed_images
from nblib.data.problems import Problem
from nblib.data.text import without_suffix

NEEDED = ("image_id", "cui")


def missing(folder: DataFolder) -> str | None:
    """None where a parquet file has the columns of a shard, or where there is nothing but parquet files to read."""
    shards = folder.having(".parquet")
    if any(map(_has_columns, shards)) or (shards and not folder.having(*LIST_SUFFIXES)):
        return None
    return f"no column {' and '.join(NEEDED)} in {shards[0]}" if shards else "no parquet file"


def read(folder: DataFolder) -> Contents:
    """Images and concepts of all shards; `train-00000-of-00010.parquet`, or its folder, names the split."""
    images, tables, problems, same = [], [listed_images([], "", [], [])], [], {}
    for shard in folder.having(".parquet"):
        split = split_named(shard.stem) or split_named(*shard.relative_to(folder.path).parts[:-1])
        if split is None:
            what = "neither the file nor its folder names a split; expected a name like train-00000.parquet."
            problems.append(Problem(str(shard), what))
            continue
        rows = []
        try:
            rows.extend(_rows(shard, split))
        except (pa.ArrowException, OSError, ValueError) as error:
            problems.append(Problem(str(shard), f"can't be read as a parquet file ({error}); download it again."))
        images += [image for image, _ in rows if image.path]
        where = [f"{shard}:{number}" for number in range(1, len(rows) + 1)]
        for place, (image, concepts) in zip(where, rows, strict=True):
            if split != "test":
                problems.extend(check_line(place, image.image_id, concepts))
        image_ids = [image.image_id for image, _ in rows]
        lists = [tuple(dict.fromkeys(cuis)) for _, cuis in rows]
        lists = [same.setdefault(each, each) for each in lists]  # many images have the same concepts
        tables.append(listed_images(image_ids, split, lists, where))
    return Contents(images, pd.concat(tables, ignore_index=True), problems)


def _has_columns(shard: Path) -> bool:
    try:
        return set(NEEDED) <= set(read_schema(shard).names)
    except (pa.ArrowException, OSError):
        return False


def _rows(shard: Path, split: str) -> Iterator[tuple[ImageFile, tuple[str, ...]]]:
    """Image and concepts of each row; the column `image` itself is not read."""
    with ParquetFile(shard) as file:
        if missing := [name for name in NEEDED if name not in file.schema_arrow.names]:
            raise ValueError(f"no column {' and '.join(missing)}; expected image, image_id, caption and cui")
        pictured = "image" in file.schema_arrow.names
        for group in range(file.num_row_groups):
            columns = file.read_row_group(group, columns=list(NEEDED)).to_pydict()
            for row, (image_id, cui) in enumerate(zip(columns["image_id"], columns["cui"], strict=True)):
                path = ParquetImage(shard, group, row) if pictured else None
                yield ImageFile(without_suffix(image_id or ""), path, split, None), _concepts(cui)


def _concepts(cui: str | list[str] | None) -> tuple[str, ...]:
    """The concepts of a cell: a list, or text separated by semicolons or commas."""
    parts = cui.replace(",", ";").split(";") if isinstance(cui, str) else cui or []
    return tuple(sys.intern(part.strip()) for part in parts if part and part.strip())
