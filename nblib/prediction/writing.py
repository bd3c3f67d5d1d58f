"""Predictions as a file, one row per image: CSV, JSON, parquet or a submission, written batch by batch."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from nblib.data import Problem
from nblib.prediction.predictor import Predictions
from nblib.system import replacing

SCHEMA = pa.schema(
    [("image_id", pa.string())]
    + [(name, pa.list_(kind)) for name, kind in (("concepts", pa.string()), ("names", pa.string()))]
    + [("probabilities", pa.list_(pa.float32()))]
)


def write_predictions(
    path: str | Path, blocks: Iterable[Predictions], form: str | None = None
) -> tuple[int, list[Problem]]:
    """Writes predictions to `path`, all or nothing, and returns the number of images and what could not be read.

    Args:
        path: the file to write; an older one is replaced.
        blocks: as from `Predictor.blocks`; memory holds one of them at a time.
        form: one of `FORMATS`; by default the suffix of `path`.

    Raises:
        ValueError: there is no such format.
    """
    form = form or Path(path).suffix.removeprefix(".").lower()
    if form not in FORMATS:
        raise ValueError(f"format must be one of {', '.join(FORMATS)}; received {form!r} for {path}.")
    counted = _Counted(blocks)
    with replacing(path) as beside:
        FORMATS[form](beside, counted)
    return counted.images, counted.problems


def print_predictions(blocks: Iterable[Predictions]) -> tuple[int, list[Problem]]:
    """Prints each image and, below it, its concepts with probability and name; returns as `write_predictions`."""
    counted = _Counted(blocks)
    for table in counted:
        for row in table.itertuples():
            print(row.image_id)
            for concept, name, probability in zip(row.concepts, row.names, row.probabilities, strict=True):
                print(f"  {concept}  {probability:.3f}  {name}".rstrip())
    return counted.images, counted.problems


class _Counted:
    """The tables of the blocks, counting images and collecting problems on the way."""

    def __init__(self, blocks: Iterable[Predictions]):
        self._blocks, self.images, self.problems = blocks, 0, []

    def __iter__(self) -> Iterator[pd.DataFrame]:
        for block in self._blocks:
            self.images += len(block)
            self.problems += block.problems
            yield block.table


def _write_csv(path: Path, tables: Iterable[pd.DataFrame]) -> None:
    """image_id, and concepts, names and probabilities each joined by semicolons."""
    pd.DataFrame(columns=SCHEMA.names).to_csv(path, index=False)
    for table in tables:
        rounded = table["probabilities"].map(lambda values: [f"{value:.6f}" for value in values])
        joined = table.assign(probabilities=rounded).set_index("image_id").map(";".join)
        joined.to_csv(path, mode="a", header=False)


def _write_json(path: Path, tables: Iterable[pd.DataFrame]) -> None:
    """A list of objects: image_id, concepts, names, probabilities; one per line."""
    with path.open("w", encoding="utf-8") as file:
        file.write("[")
        between = "\n"
        for table in tables:
            for row in table.to_dict("records"):
                file.write(between + json.dumps(row, ensure_ascii=False))
                between = ",\n"
        file.write("\n]\n")


def _write_parquet(path: Path, tables: Iterable[pd.DataFrame]) -> None:
    """The same columns, with lists in them."""
    with parquet.ParquetWriter(path, SCHEMA) as writer:
        for table in tables:
            writer.write_table(pa.Table.from_pandas(table, SCHEMA, preserve_index=False))


def _write_submission(path: Path, tables: Iterable[pd.DataFrame]) -> None:
    """The challenge's file: image_id, tab, concepts joined by semicolons; no header."""
    with path.open("w", encoding="utf-8") as file:
        for table in tables:
            rows = zip(table["image_id"], table["concepts"], strict=True)
            file.writelines(f"{image_id}\t{';'.join(concepts)}\n" for image_id, concepts in rows)


FORMATS = {"csv": _write_csv, "json": _write_json, "parquet": _write_parquet, "submission": _write_submission}
