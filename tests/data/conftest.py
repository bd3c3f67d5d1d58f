import pyarrow as pa
import pytest
from data.filing import TRAIN_CT, VAL_CT, write
from pyarrow import parquet


@pytest.fixture
def folder(tmp_path):
    """Four labelled images and two of the test split, in the layout of 2020, nothing wrong with it.

    This module never looks into an image, so any bytes do.
    """
    data = tmp_path / "data"
    for image in ("train/DRCT/A.jpg", "train/DRCT/B.jpg", "train/DRXR/C.PNG", "val/DRCT/D.jpeg", "test/E.jpg",
                  "test/F.jpg"):  # fmt: skip
        write(data / image, image)
    write(data / TRAIN_CT, "A.jpg,C0000001,C0000002\nB.jpg,C0000002\n")
    write(data / "concepts/train/DRXR_CLEF_Train.csv", "C.PNG,C0000003\n")
    write(data / VAL_CT, "D.jpeg,C0000001,C0000003\n")
    write(data / "string_concepts.csv", "C0000001\tLung\nC0000002\tX-Ray, chest\n")
    return data


@pytest.fixture
def shards(sample_dataset, tmp_path):
    """The sample as parquet shards, two per split, four rows per row group."""
    for split, name in (("train", "train"), ("val", "validation"), ("test", "test")):
        images = sample_dataset.split(split)
        for number, part in enumerate((images.iloc[:7], images.iloc[7:])):
            table = {
                "image": [{"bytes": row.path.read_bytes(), "path": row.path.name} for row in part.itertuples()],
                "image_id": list(part["image_id"]),
                "caption": ["a picture"] * len(part),
                "cui": [list(concepts) for concepts in part["concepts"]],
            }
            path = tmp_path / "shards" / "data" / f"{name}-0000{number}-of-00002.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            parquet.write_table(pa.table(table), path, row_group_size=4)
    return tmp_path / "shards"
