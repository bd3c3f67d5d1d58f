"""Predictions of any number of images: one parquet file per shard of input, by as many processes as one likes.

    OUT/<name of the shard>.parquet  image_id, concepts, likely, probabilities, problem: one row per image
    OUT/_settings.json               with what the images were predicted
    OUT/.claims/                     the shards that are being predicted; each process has locked its own

`pandas.read_parquet(OUT)` reads all predictions. A file is written whole or not at all, and says which input it was
made of: to start again predicts what is missing, and what has changed since. Memory does not grow with the number of
images in a shard, nor with that of shards.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from nblib.data import Problem, Shard, unlabelled_shards
from nblib.prediction.predictor import Predictions, Predictor
from nblib.system import ProgressBar, remove_leftovers, replacing, take_lock, write_json

INPUT = b"nblib.input"  # in the metadata of a file: the fingerprint of what it was made of
ROWS = 8_192  # of a row group
LISTS = {"concepts": pa.list_(pa.string()), "likely": pa.list_(pa.string()), "probabilities": pa.list_(pa.float32())}
SCHEMA = pa.schema([("image_id", pa.string()), *LISTS.items(), ("problem", pa.string())])


@dataclass
class Progress:
    """Shards predicted now, predicted before, and being predicted by other processes; images predicted now.

    `damaged` are the shards of which nothing could be read, `problems` what is wrong beside them. What is wrong with a
    single image is in its row; `unreadable` counts those.
    """

    predicted: int = 0
    before: int = 0
    elsewhere: int = 0
    images: int = 0
    unreadable: int = 0
    damaged: list[Problem] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


class DamagedShard(Exception):
    """A shard that can't be read: nothing is written of it."""


def predict_shards(
    predictor: Predictor, places: Iterable[str | Path], to: str | Path, floor: float = 0.05, longest: int = 100
) -> Progress:
    """Predicts all images at `places` (see `unlabelled_shards`) that have no predictions in the folder `to` yet.

    May run in several processes with the same arguments at once: each takes a shard that no other has. The first images
    of the next shard are decoded while the last ones of this are predicted.

    Args:
        predictor: whose rule selects the concepts.
        places: as of `unlabelled_shards`.
        to: a folder; no file in it is ever half-written.
        floor: beside the selected concepts, all with at least this probability are written,
        longest: and at most so many of them, the most probable first.

    Raises:
        FileNotFoundError, ValueError: as `unlabelled_shards`; or `to` has predictions that were made otherwise.
    """
    to, progress = Path(to), Progress()
    shards, progress.problems = unlabelled_shards(places)
    _require_settings(to, predictor, {"floor": floor, "longest": longest})
    with ProgressBar(total=len(shards), unit="shard", desc="predicting") as bar:
        groups = ((claim, claim.shard.images()) for claim in _claimed(shards, to, progress, bar))
        for claim, blocks in predictor.grouped(groups):
            with claim:
                _predict(claim.shard, blocks, to, progress, floor, longest)
            bar.update()
    return progress


def predictions_file(to: Path, shard: Shard) -> Path:
    """Where the predictions of a shard are."""
    return to / f"{shard.name}.parquet"


@dataclass(frozen=True, eq=False)
class _Claim:
    """A shard that this process predicts, and no other while it holds the lock on the file."""

    shard: Shard
    path: Path
    file: IO

    @classmethod
    def of(cls, shard: Shard, to: Path) -> "_Claim | None":
        """None where another process has it."""
        path = to / ".claims" / shard.name
        path.parent.mkdir(exist_ok=True)
        file = path.open("a")
        if take_lock(file) is False:
            file.close()
            return None
        return cls(shard, path, file)

    def __enter__(self) -> "_Claim":
        return self

    def __exit__(self, *error: Any) -> None:
        self.path.unlink(missing_ok=True)
        self.file.close()


def _claimed(shards: list[Shard], to: Path, progress: Progress, bar: ProgressBar) -> Iterator[_Claim]:
    """The shards without predictions, one by one when they are asked for."""
    for shard in shards:
        done = _is_done(to, shard)
        claim = None if done else _Claim.of(shard, to)
        if claim and (done := _is_done(to, shard)):  # meanwhile, by the process that had it
            claim.__exit__()
        elif claim:
            yield claim
            continue
        progress.before += done
        progress.elsewhere += not done
        bar.update()


def _is_done(to: Path, shard: Shard) -> bool:
    try:
        found = parquet.read_schema(predictions_file(to, shard)).metadata or {}
    except (OSError, pa.ArrowException):
        return False
    return found.get(INPUT) == shard.fingerprint.encode()


def _predict(
    shard: Shard, blocks: Iterator[Predictions], to: Path, progress: Progress, floor: float, longest: int
) -> None:
    """Writes the predictions of one shard, or counts it as damaged."""
    path = predictions_file(to, shard)
    remove_leftovers(to, path.name)
    schema, images, unreadable = SCHEMA.with_metadata({INPUT: shard.fingerprint}), 0, 0
    try:
        with replacing(path) as beside, parquet.ParquetWriter(beside, schema) as writer:
            waiting = []
            for block in blocks:
                serious = _unreadable(block)
                unreadable += len(serious)
                images += len(block)
                waiting.append(_table(block, floor, longest).cast(schema))
                if sum(map(len, waiting)) >= ROWS:
                    writer.write_table(pa.concat_tables(waiting))
                    waiting = []
            writer.write_table(pa.concat_tables([schema.empty_table(), *waiting]))
            if unreadable and not images:
                raise DamagedShard(serious[0])
    except DamagedShard as error:
        progress.damaged.append(error.args[0])
        return
    progress.predicted += 1
    progress.images += images
    progress.unreadable += unreadable


def _unreadable(block: Predictions) -> list[Problem]:
    """What could not be read of a batch.

    Raises:
        DamagedShard: not an image, but what it is in.
    """
    serious = [problem for problem in block.problems if problem.serious]
    for problem in serious:
        if problem.image_id is None:
            raise DamagedShard(problem)
    return serious


def _table(block: Predictions, floor: float, longest: int) -> pa.Table:
    """One row per image, then one per image that can't be read, without lists."""
    names, p = np.array(block.vocabulary.concepts, dtype=object), block.probabilities
    rows, columns = _most_probable_first(p, *block.selected.nonzero())
    likely_rows, likely = _most_probable_first(p, *np.nonzero(p >= floor))
    kept = _ranks(likely_rows) < longest
    likely_rows, likely = likely_rows[kept], likely[kept]
    lists = {
        "concepts": _lists(rows, names[columns], len(block)),
        "likely": _lists(likely_rows, names[likely], len(block)),
        "probabilities": _lists(likely_rows, p[likely_rows, likely], len(block)),
    }
    notes = {problem.image_id: problem.what for problem in block.problems if not problem.serious}
    read = {"image_id": block.image_ids, **lists, "problem": [notes.get(image_id) for image_id in block.image_ids]}
    unread = [{"image_id": problem.image_id, "problem": problem.what} for problem in block.problems if problem.serious]
    return pa.concat_tables([pa.table(read, SCHEMA), pa.Table.from_pylist(unread, SCHEMA)])


def _most_probable_first(probabilities, rows, columns):
    order = np.lexsort((-probabilities[rows, columns], rows))
    return rows[order], columns[order]


def _ranks(rows):
    """How many entries of the same row are before each; rows ascend."""
    return np.arange(len(rows)) - np.searchsorted(rows, rows)


def _lists(rows, values, number):
    """A list of values for each of so many rows; rows ascend."""
    return pa.ListArray.from_arrays(np.searchsorted(rows, np.arange(number + 1)).astype(np.int32), pa.array(values))


def _require_settings(to: Path, predictor: Predictor, numbers: dict[str, Any]) -> None:
    """Writes with what images are predicted, or compares it with what is written.

    Raises:
        ValueError: it differs.
    """
    settings = {"runs": [f"{run.facts['identity']} {run.facts['provenance'].get('started')}" for run in predictor.runs]}
    settings |= {"rule": repr(predictor.rule), "cap": predictor.cap, "nomissing": predictor.nomissing, **numbers}
    path = to / "_settings.json"
    if not path.is_file():
        write_json(path, settings)
        return
    there = json.loads(path.read_text(encoding="utf-8"))
    if differing := [name for name in settings if settings[name] != there.get(name)]:
        raise ValueError(f"{to} has predictions with other {', '.join(differing)}: predict to another folder.")
