"""The files of a data folder, and links in it."""

import os

import pytest
from data.filing import problems_of, rows_of, write

from nblib.data.reading import inspect_dataset, read_dataset


@pytest.mark.parametrize(
    ("train", "val"), [("training", "validation"), ("Train", "Valid"), ("train", "dev"), ("TRAIN", "development")]
)
def test_splits_are_recognised_by_every_usual_name(tmp_path, train, val):
    write(tmp_path / train / "A.jpg", "")
    write(tmp_path / val / "B.jpg", "")
    write(tmp_path / f"{train}_concepts.csv", "A\tC0000001\n")
    write(tmp_path / f"concepts_{val}.txt", "B\tC0000002\n")
    assert rows_of(read_dataset(tmp_path), "image_id", "split", "concepts") == [
        ("A", "train", ("C0000001",)),
        ("B", "val", ("C0000002",)),
    ]


def test_a_link_that_leads_out_of_the_folder_is_found_and_not_followed(folder, tmp_path):
    outside = write(tmp_path / "outside.jpg", "secret")
    (folder / "test/G.jpg").symlink_to(outside)
    sentence = "a link that leads out of the data folder; copy its target into the folder."
    assert problems_of(folder) == [("test/G.jpg", sentence, True)]
    assert "G" not in set(inspect_dataset(folder).images["image_id"])


def test_a_link_within_the_folder_is_an_image(folder):
    (folder / "test/G.jpg").symlink_to(folder / "test/F.jpg")
    assert len(read_dataset(folder).split("test")) == 3


def test_a_data_folder_that_is_itself_a_link_is_read(folder, tmp_path):
    (tmp_path / "link").symlink_to(folder)
    assert len(read_dataset(tmp_path / "link").images) == 6


def test_a_missing_folder_is_an_error_that_says_what_to_do(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"no data folder at .*nowhere\. Expected images in train/.*nblib sample"
    ):
        read_dataset(tmp_path / "nowhere")


def test_images_outside_of_any_split_are_counted_in_a_note(folder):
    write(folder / "more" / "G.jpg", "")
    what = f"1 images, such as {folder}/more/G.jpg, are in no folder named train, val or test; left out."
    assert problems_of(folder) == [("", what, False)]


def test_a_link_to_a_folder_outside_is_found_once(folder, tmp_path):
    write(tmp_path / "outside" / "Z1.jpg", "")
    write(tmp_path / "outside" / "Z2.jpg", "")
    (folder / "train" / "more").symlink_to(tmp_path / "outside")
    what = "a link that leads out of the data folder; copy its target into the folder."
    assert problems_of(folder) == [("train/more", what, True)]


def test_a_link_to_nothing_is_reported(folder):
    (folder / "train" / "lost.jpg").symlink_to(folder / "train" / "gone.jpg")
    assert problems_of(folder) == [("train/lost.jpg", "a link to a folder, or to nothing; it is not followed.", False)]


def test_images_in_formats_that_are_not_read_are_counted(folder):
    for name in ("G.gif", "H.TIF"):
        write(folder / "train" / "DRCT" / name, "any")
    what = f"2 images are none of .jpg, .png, .dcm, such as {folder}/train/DRCT/G.gif; not read. Convert them."
    assert problems_of(folder) == [("", what, False)]


def test_a_folder_linked_from_outside_can_not_be_quarantined_away(folder, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (folder / "train" / "more").symlink_to(tmp_path / "elsewhere")
    (problem,) = inspect_dataset(folder).problems
    assert problem.serious and problem.image_id is None


def test_a_name_that_is_not_utf_8_is_named_and_left_out(folder):
    for name in (b"test/R\xf6ntgen.jpg", b"train/DRCT/\xe4.jpg"):
        write(folder / os.fsdecode(name), "")
    what = "the name is not UTF-8; left out. Rename it."
    assert problems_of(folder) == [("test/R\\xf6ntgen.jpg", what, False), ("train/DRCT/\\xe4.jpg", what, False)]
    assert len(read_dataset(folder).images) == 6
