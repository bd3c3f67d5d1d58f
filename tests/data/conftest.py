import pytest
from data.filing import TRAIN_CT, VAL_CT, write


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
