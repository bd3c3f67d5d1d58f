"""The sample as parquet shards: read in place, and what is wrong with shards."""

import tracemalloc

import numpy as np
import pyarrow as pa
from data.filing import labels_of, pixels_of, problems_of, rows_of, write
from pyarrow import parquet

from nblib.data.images import ParquetImage
from nblib.data.reading import read_dataset


def test_images_in_parquet_shards_are_read_in_place(shards, sample_dataset, tmp_path):
    dataset = read_dataset(shards)
    assert (dataset.layout, dataset.category_from) == ("parquet", "modality concept")
    assert labels_of(dataset) == labels_of(sample_dataset)
    assert {type(path) for path in dataset.images["path"]} == {ParquetImage}
    assert np.array_equal(pixels_of(dataset, tmp_path / "a"), pixels_of(sample_dataset, tmp_path / "b"))


def test_a_damaged_shard_and_one_without_the_columns_are_reported(shards):
    write(shards / "data" / "train-00002.parquet", b"no parquet")
    parquet.write_table(pa.table({"id": ["A"]}), shards / "data" / "train-00003.parquet")
    parquet.write_table(pa.table({"image_id": ["A"], "cui": ["C0000001"]}), shards / "part-00004.parquet")
    reported = {where: what for where, what, serious in problems_of(shards) if serious}
    assert reported["data/train-00002.parquet"].startswith("can't be read as a parquet file (")
    assert (
        "no column image_id and cui; expected image, image_id, caption and cui" in reported["data/train-00003.parquet"]
    )
    assert reported["part-00004.parquet"].startswith(
        "neither the file nor its folder names a split; expected a name like"
    )


def test_concepts_of_a_shard_may_be_text_and_images_may_be_absent(tmp_path):
    table = {"image_id": ["A", "B"], "cui": ["C0000001;C0000002", None], "caption": ["", ""]}
    parquet.write_table(pa.table(table), tmp_path / "train-00000.parquet")
    dataset = read_dataset(tmp_path)
    assert rows_of(dataset, "image_id", "path", "concepts") == [("A", None, ("C0000001", "C0000002")), ("B", None, ())]
    assert [str(problem).replace(f"{tmp_path}/", "") for problem in dataset.problems[1:]] == [
        "train-00000.parquet:2: B has no concept; it is left out of training and of the score."
    ]


def test_an_image_takes_few_bytes_and_none_are_kept_of_what_only_problems_need(tmp_path):
    """An ID, a reference to its row, a list of concepts that others share, and five pointers: 300 bytes."""
    for split in ("train", "val"):
        ids = [f"{split}_{number:012}" for number in range(10_000)]
        cuis = [[f"C{number % 50:07}", "C0000077"] for number in range(10_000)]
        rows = {"image": [{"bytes": b"no image"}] * len(ids), "image_id": ids, "cui": cuis}
        parquet.write_table(pa.table(rows), tmp_path / f"{split}-00000.parquet", row_group_size=1_000)
    tracemalloc.start()
    dataset = read_dataset(tmp_path)
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(dataset.images) == 20_000 and kept < 300 * 20_000
    assert dataset.images["concepts"][0] is dataset.images["concepts"][50]
