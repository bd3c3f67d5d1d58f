import pandas as pd
import pytest
from data.filing import one_list_a_split, rows_of, write

from nblib.data.categories import CATEGORIES
from nblib.data.reading import read_dataset
from nblib.data.table import count_images
from nblib.data.text import read_concept_lines, without_suffix


def test_the_layout_of_2020_gives_one_tidy_row_an_image(folder):
    dataset = read_dataset(folder)
    assert (dataset.layout, dataset.category_from) == ("imageclef-2020", "folder")
    assert dataset.problems == ()
    assert rows_of(dataset, "image_id", "path", "split", "category", "concepts") == [
        ("A", folder / "train/DRCT/A.jpg", "train", "DRCT", ("C0000001", "C0000002")),
        ("B", folder / "train/DRCT/B.jpg", "train", "DRCT", ("C0000002",)),
        ("C", folder / "train/DRXR/C.PNG", "train", "DRXR", ("C0000003",)),
        ("D", folder / "val/DRCT/D.jpeg", "val", "DRCT", ("C0000001", "C0000003")),
        ("E", folder / "test/E.jpg", "test", None, ()),
        ("F", folder / "test/F.jpg", "test", None, ()),
    ]


def test_both_layouts_give_the_same_table(sample, tmp_path):
    by_category = read_dataset(sample)
    by_split = read_dataset(one_list_a_split(sample, tmp_path / "other"))
    assert by_split.layout == "imageclef"
    assert len(by_split.images) == 120
    columns = ("image_id", "split", "category", "concepts")
    assert rows_of(by_category, *columns) == rows_of(by_split, *columns)
    assert [path.relative_to(sample) for (path,) in rows_of(by_category, "path")] == [
        path.relative_to(tmp_path / "other") for (path,) in rows_of(by_split, "path")
    ]


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


def test_lists_of_the_test_split_and_of_manual_concepts_are_not_read(folder, tmp_path):
    other = one_list_a_split(folder, tmp_path / "other")
    before = read_dataset(other).images
    write(other / "withheld/test_concepts.csv", "E\tC0000009\n")
    write(other / "train_concepts_manual.csv", "A\tC0000009\n")
    pd.testing.assert_frame_equal(read_dataset(other).images, before)


def test_lists_by_category_win_where_both_kinds_are_there(folder):
    before = read_dataset(folder).images
    write(folder / "train_concepts.csv", "A\tC0000009\n")
    pd.testing.assert_frame_equal(read_dataset(folder).images, before)


def test_split_numbers_its_rows_from_zero(folder):
    dataset = read_dataset(folder)
    assert list(dataset.split("val")["image_id"]) == ["D"]
    assert list(dataset.split("train", "val")["image_id"]) == ["A", "B", "C", "D"]
    assert list(dataset.split("test").index) == [0, 1]


def test_names_are_read_and_a_concept_without_one_is_called_by_its_cui(folder):
    dataset = read_dataset(folder)
    assert dataset.names == {"C0000001": "Lung", "C0000002": "X-Ray, chest"}
    assert dataset.name_of("C0000002") == "X-Ray, chest"
    assert dataset.name_of("C0000003") == "C0000003"


def test_a_drawn_sample_is_called_synthetic_and_other_data_by_their_folder(sample_dataset, folder):
    assert sample_dataset.title == "synthetic phantoms"
    assert read_dataset(folder).title == "data"


@pytest.mark.parametrize(
    "line",
    ["A.jpg,C0000001,C0000002", "A\tC0000001;C0000002", "A|C0000001;C0000002", "A,C0000001;C0000002",
     "A\t\tC0000001\tC0000002", " A , C0000001 ; C0000002 ;"],
)  # fmt: skip
def test_the_line_of_every_year_is_understood(tmp_path, line):
    path = write(tmp_path / "list.csv", line)
    assert list(read_concept_lines(path)) == [(1, "A", ("C0000001", "C0000002"))]


def test_a_byte_order_mark_and_windows_line_ends_are_accepted(folder):
    plain = read_dataset(folder)
    for path in folder.rglob("*.csv"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    other = read_dataset(folder)
    pd.testing.assert_frame_equal(other.images, plain.images)
    assert other.names == plain.names


def test_a_header_is_no_image_and_line_numbers_count_it(tmp_path):
    path = write(tmp_path / "list.csv", "ID,CUIs\nA,C0000001\n\nB,\n")
    assert list(read_concept_lines(path)) == [(2, "A", ("C0000001",)), (4, "B", ())]


@pytest.mark.parametrize(
    ("name", "image_id"), [("ROCO2_1.jpg", "ROCO2_1"), ("a.JPEG", "a"), ("a.png", "a"), ("a.1", "a.1"), ("a", "a")]
)
def test_only_an_image_extension_is_taken_off_a_name(name, image_id):
    assert without_suffix(name) == image_id


def test_images_are_counted_by_split_and_category_as_in_table_1(folder):
    table = count_images(read_dataset(folder).images)
    assert list(table.columns) == [*CATEGORIES, "unknown", "total"]
    assert table.loc["train", ["DRCT", "DRXR", "DRMR", "total"]].tolist() == [2, 1, 0, 3]
    assert table.loc["val", ["DRCT", "total"]].tolist() == [1, 1]
    assert table.loc["test", ["unknown", "total"]].tolist() == [2, 2]


def test_a_table_where_every_category_is_known_has_no_column_for_unknown(sample_dataset):
    table = count_images(sample_dataset.split("train", "val"))
    assert list(table.columns) == [*CATEGORIES, "total"]
    assert table["total"].to_dict() == {"train": 84, "val": 24}
