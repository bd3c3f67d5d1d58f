import shutil

import pandas as pd
import pytest
from data.filing import one_list_per_split, problems_of, rows_of, write

from nblib.data.images import cache_pixels
from nblib.data.layouts import LAYOUTS
from nblib.data.reading import inspect_dataset, read_dataset


def test_the_layout_of_2020_gives_one_tidy_row_per_image(folder):
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
    by_split = read_dataset(one_list_per_split(sample, tmp_path / "other"))
    assert by_split.layout == "imageclef"
    assert len(by_split.images) == 120
    columns = ("image_id", "split", "category", "concepts")
    assert rows_of(by_category, *columns) == rows_of(by_split, *columns)
    assert [path.relative_to(sample) for (path,) in rows_of(by_category, "path")] == [
        path.relative_to(tmp_path / "other") for (path,) in rows_of(by_split, "path")
    ]


def test_lists_of_the_test_split_and_of_manual_concepts_are_not_in_the_table(folder, tmp_path):
    other = one_list_per_split(folder, tmp_path / "other")
    before = read_dataset(other)
    write(other / "withheld/test_concepts.csv", "E\tC0000009\n")
    write(other / "train_concepts_manual.csv", "A\tC0000009\n")
    after = read_dataset(other)
    pd.testing.assert_frame_equal(after.images, before.images)
    assert (after.fingerprint, after.test_fingerprint) == (before.fingerprint, before.test_fingerprint)
    assert after.test_concepts == {"E": ("C0000009",)} and before.test_concepts == {}


def test_lists_by_category_take_precedence_over_lists_by_split(folder):
    before = read_dataset(folder).images
    write(folder / "train_concepts.csv", "A\tC0000009\n")
    pd.testing.assert_frame_equal(read_dataset(folder).images, before)


def test_a_byte_order_mark_and_windows_line_ends_are_accepted(folder):
    plain = read_dataset(folder)
    for path in folder.rglob("*.csv"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    other = read_dataset(folder)
    pd.testing.assert_frame_equal(other.images, plain.images)
    assert other.names == plain.names


def test_a_layout_can_be_chosen_and_the_error_of_an_unknown_one_lists_them(folder):
    write(folder / "train_concepts.csv", "A\tC0000009\n")
    assert read_dataset(folder).layout == "imageclef-2020"
    chosen = inspect_dataset(folder, layout="imageclef")
    assert (chosen.layout, list(chosen.split("train")["concepts"])) == ("imageclef", [("C0000009",)])
    with pytest.raises(
        ValueError, match=rf"layout must be one of {', '.join(LAYOUTS)}; received 'roco3'\. Leave it out"
    ):
        read_dataset(folder, layout="roco3")


def test_a_folder_without_lists_is_found(folder):
    shutil.rmtree(folder / "concepts")
    expected = (
        "no concept lists. These layouts were tried, and this is missing: parquet: no parquet file; "
        "roco: no list such as train/radiology/cuis.txt; imageclef-2020: no list such as DRCT_CLEF_Train.csv; "
        "imageclef-2026: no concepts.csv; rocov2: no list such as train_concepts.csv; "
        "imageclef: no list such as train_concepts.csv."
    )
    assert ("", expected, True) in problems_of(folder)


def test_labels_without_any_image_are_read_and_this_is_reported_once(folder):
    for split in ("train", "val", "test"):
        shutil.rmtree(folder / split)
    sentence = "labels only: there is no image. Good for notebooks 01 and 02; training needs the images."
    assert problems_of(folder) == [("", sentence, False)]
    images = read_dataset(folder).images
    assert list(images["image_id"]) == ["A", "B", "C", "D"] and images["path"].isna().all()
    with pytest.raises(FileNotFoundError, match="4 of 4 images are listed but not on disk, such as A"):
        cache_pixels(images, 32, folder)


def test_an_empty_folder_is_no_data_set_but_can_be_inspected(tmp_path):
    dataset = inspect_dataset(tmp_path)
    assert dataset.images.empty
    assert [problem.serious for problem in dataset.problems] == [True, True]
