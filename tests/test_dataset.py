import os
import shutil

import pandas as pd
import pytest

from nblib.dataset import (
    Problem,
    count_images,
    inspect_dataset,
    listing,
    read_concept_lines,
    read_dataset,
    read_names,
    validation_halves,
    without_suffix,
)
from nblib.images import keep_pixels
from nblib.paper import CATEGORIES

TRAIN_CT = "concepts/train/DRCT_CLEF_Train.csv"
VAL_CT = "concepts/val/DRCT_CLEF_Val.csv"


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


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


def one_list_a_split(source, target):
    """A copy of `source` in the layout of other years: one `<split>_concepts.csv`, tab and semicolons, no extension."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("concepts"))
    for split in ("train", "val"):
        lists = sorted((source / "concepts" / split).glob("*.csv"))
        rows = [line.split(",") for path in lists for line in path.read_text().splitlines()]
        lines = [f"{without_suffix(name)}\t{';'.join(concepts)}\n" for name, *concepts in rows]
        write(target / f"{split}_concepts.csv", "".join(lines))
    return target


def rows_of(dataset, *columns):
    return list(dataset.images.sort_values("image_id")[list(columns)].itertuples(index=False, name=None))


# ---- what is read


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


# ---- what is wrong


def problems_of(folder):
    """(where within the folder, what, serious) of each problem."""
    return [
        (problem.where.replace(str(folder), "").lstrip(os.sep), problem.what, problem.serious)
        for problem in inspect_dataset(folder).problems
    ]


BAD_LINES = {
    "a bad CUI": ("A.jpg,C123\n", "'C123' is not a CUI; expected C and seven digits, like C0040405."),
    "a CUI too long": ("A.jpg,C00000012\n", "'C00000012' is not a CUI; expected C and seven digits, like C0040405."),
    "a lower-case CUI": ("A.jpg,c0000001\n", "'c0000001' is not a CUI; expected C and seven digits, like C0040405."),
    "an id with a folder": ("../A.jpg,C0000001\n", "'../A' is no image name; expected a file name without folders."),
    "a Windows path": ("x\\A.jpg,C0000001\n", "'x\\\\A' is no image name; expected a file name without folders."),
    "an id of dots": ("..,C0000001\n", "'..' is no image name; expected a file name without folders."),
    "no id": (",C0000001\n", "'' is no image name; expected a file name without folders."),
    "an image listed twice": ("B.jpg,C0000001\n", "B was listed before ({train}:2); keep one of the two lines."),
    "an image in two splits": ("D.jpeg,C0000001\n", "D was listed before ({train}:3); keep one of the two lines."),
    "an image of another split": ("E.jpg,C0000001\n", "E is in the train list, its image in the test folder."),
    "listed but not on disk": ("G.jpg,C0000001\n", "G is listed, but there is no such image."),
}


@pytest.mark.parametrize("kind", BAD_LINES)
def test_a_bad_line_is_found_with_its_file_and_number(folder, kind):
    line, sentence = BAD_LINES[kind]
    path = folder / TRAIN_CT
    sentence = sentence.replace("{train}", str(path))
    path.write_text(path.read_text() + line)
    found = problems_of(folder)
    if kind == "an image in two splits":  # lists are read in the order of their names: the later one is told
        assert (f"{VAL_CT}:1", sentence, True) in found
    else:
        assert (f"{TRAIN_CT}:3", sentence, True) in found
    with pytest.raises(ValueError, match="is not fit for training:\n- "):
        read_dataset(folder)


ODD_LINES = {
    "a concept twice": ("A.jpg,C0000001,C0000001\nB.jpg,C0000002\n",
                        "C0000001 stands there more than once; counted once."),
    "no concept": ("B.jpg,C0000002,C0000001\nA.jpg\n",
                   "A has no concept; it is left out of training and of the score."),
}  # fmt: skip


@pytest.mark.parametrize("kind", ODD_LINES)
def test_an_odd_line_is_told_but_does_not_stop_training(folder, kind):
    content, sentence = ODD_LINES[kind]
    write(folder / TRAIN_CT, content)
    line = content[: content.index("A.jpg")].count("\n") + 1
    assert problems_of(folder) == [(f"{TRAIN_CT}:{line}", sentence, False)]
    assert len(read_dataset(folder).images) == 6


def test_a_concept_listed_twice_is_counted_once(folder):
    write(folder / TRAIN_CT, "A.jpg,C0000002,C0000001,C0000002\nB.jpg,C0000002\n")
    assert read_dataset(folder).images["concepts"][0] == ("C0000002", "C0000001")


def test_an_image_on_disk_that_no_list_names_is_told_and_left_out(folder):
    write(folder / "train/DRCT/G.jpg", "")
    sentence = "the image is in no concept list; it is left out."
    assert problems_of(folder) == [("train/DRCT/G.jpg", sentence, False)]
    assert "G" not in set(read_dataset(folder).images["image_id"])


def test_a_listed_image_that_is_not_on_disk_has_no_path(folder):
    (folder / "train/DRCT/B.jpg").unlink()
    images = inspect_dataset(folder).images.set_index("image_id")
    assert images.loc["B", "path"] is None
    assert images.loc["A", "path"] == folder / "train/DRCT/A.jpg"


def test_two_image_files_of_one_name_are_found(folder):
    write(folder / "val/DRXR/A.png", "")
    sentence = f"a second image named A ({folder}/train/DRCT/A.jpg); names must be unique over all splits."
    assert problems_of(folder) == [("val/DRXR/A.png", sentence, True)]


def test_an_empty_list_is_found(folder):
    write(folder / VAL_CT, "")
    assert (VAL_CT, "the list is empty; expected a line `image,CUI,CUI` or `image<TAB>CUI;CUI`.", True) in problems_of(
        folder
    )


def test_a_list_that_is_not_utf_8_is_found(folder):
    write(folder / VAL_CT, b"D.jpeg,C0000001\xff\n")
    sentence = "byte 15 is not UTF-8 but looks like Latin-1 (Windows-1252); save the file as UTF-8 and try again."
    assert (f"{VAL_CT}:1", sentence, True) in problems_of(folder)


def test_names_that_are_not_utf_8_are_found_and_do_not_stop_training(folder):
    write(folder / "string_concepts.csv", b"C0000001\tR\xf6ntgen\n")
    sentence = "byte 10 is not UTF-8 but looks like Latin-1 (Windows-1252); save the file as UTF-8 and try again."
    assert problems_of(folder) == [("string_concepts.csv:1", sentence, False)]
    assert read_dataset(folder).name_of("C0000001") == "C0000001"
    with pytest.raises(ValueError, match=r"string_concepts\.csv:1: byte 10 is not UTF-8"):
        read_names(folder / "string_concepts.csv")


def test_a_link_that_leaves_the_folder_is_found_and_not_followed(folder, tmp_path):
    outside = write(tmp_path / "outside.jpg", "secret")
    (folder / "test/G.jpg").symlink_to(outside)
    sentence = "a link that leaves the data folder; copy what it leads to into the folder."
    assert problems_of(folder) == [("test/G.jpg", sentence, True)]
    assert "G" not in set(inspect_dataset(folder).images["image_id"])


def test_a_link_within_the_folder_is_an_image(folder):
    (folder / "test/G.jpg").symlink_to(folder / "test/F.jpg")
    assert len(read_dataset(folder).split("test")) == 3


def test_a_data_folder_that_is_itself_a_link_is_read(folder, tmp_path):
    (tmp_path / "link").symlink_to(folder)
    assert len(read_dataset(tmp_path / "link").images) == 6


def test_a_folder_without_lists_is_found(folder):
    shutil.rmtree(folder / "concepts")
    expected = "no concept lists; expected files like DRCT_CLEF_Train.csv (one a category) or train_concepts.csv."
    assert ("", expected, True) in problems_of(folder)


def test_labels_without_any_image_are_read_and_the_lack_told_once(folder):
    for split in ("train", "val", "test"):
        shutil.rmtree(folder / split)
    sentence = "labels only: there is no image. Good for notebooks 01 and 02; training needs the images."
    assert problems_of(folder) == [("", sentence, False)]
    images = read_dataset(folder).images
    assert list(images["image_id"]) == ["A", "B", "C", "D"] and images["path"].isna().all()
    with pytest.raises(FileNotFoundError, match="4 of 4 images are listed but not on disk, such as A"):
        keep_pixels(images, 32, folder)


def test_an_empty_folder_is_no_data_set_but_can_be_inspected(tmp_path):
    dataset = inspect_dataset(tmp_path)
    assert dataset.images.empty
    assert [problem.serious for problem in dataset.problems] == [True, True]


def test_a_missing_folder_is_an_error_that_says_what_to_do(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"no data folder at .*nowhere\. Expected images in train/.*nblib sample"
    ):
        read_dataset(tmp_path / "nowhere")


def test_a_listing_ends_with_how_many_more_there_are():
    problems = [Problem(f"list.csv:{number}", "wrong.") for number in range(1, 2025)]
    lines = listing(problems).splitlines()
    assert (len(lines), lines[0], lines[-1]) == (21, "- list.csv:1: wrong.", "- and 2,004 more")
    assert listing(problems[:20]).splitlines()[-1] == "- list.csv:20: wrong."


# ---- halves


def validation_images(number):
    names = [f"IMAGE_{position:05}" for position in range(number)]
    return pd.DataFrame({"image_id": [*names, "OTHER"], "split": ["val"] * number + ["train"]})


@pytest.mark.parametrize(
    ("images", "val1", "val2"), [(0, 0, 0), (1, 1, 0), (10, 5, 5), (11, 6, 5), (15_970, 7985, 7985)]
)
def test_the_halves_are_disjoint_complete_and_equal_or_val1_has_one_more(images, val1, val2):
    table = validation_images(images)
    halves = {name: set(half["image_id"]) for name, half in validation_halves(table).items()}
    assert (len(halves["val1"]), len(halves["val2"])) == (val1, val2)
    assert not halves["val1"] & halves["val2"]
    assert halves["val1"] | halves["val2"] == set(table["image_id"]) - {"OTHER"}


def test_the_halves_are_the_same_whatever_the_order_of_the_table():
    table = validation_images(101)
    halves, shuffled = validation_halves(table), validation_halves(table.sample(frac=1, random_state=7))
    for name in ("val1", "val2"):
        pd.testing.assert_frame_equal(halves[name], shuffled[name])


def test_the_halves_are_drawn_at_random_and_not_cut_in_the_middle():
    first_fifty = validation_images(100)["image_id"][:50]
    in_val1 = validation_halves(validation_images(100))["val1"]["image_id"].isin(first_fifty).sum()
    assert 10 < in_val1 < 40


# ---- fingerprint


def test_the_fingerprint_is_that_of_a_copy_elsewhere(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "elsewhere" / "copy")
    assert read_dataset(tmp_path / "elsewhere" / "copy").fingerprint == read_dataset(folder).fingerprint


CHANGES = {
    "a concept": lambda folder: write(folder / VAL_CT, "D.jpeg,C0000001,C0000004\n"),
    "one concept more": lambda folder: write(folder / VAL_CT, "D.jpeg,C0000001,C0000003,C0000004\n"),
    "the size of an image": lambda folder: write(folder / "train/DRCT/A.jpg", "another size"),
    "an image more": lambda folder: write(folder / "test/G.jpg", ""),
    "an image renamed": lambda folder: (folder / "test/E.jpg").rename(folder / "test/G.jpg"),
    "a category": lambda folder: (folder / VAL_CT).rename(folder / "concepts/val/DRMR_CLEF_Val.csv"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_fingerprint_changes_with(folder, change):
    before = read_dataset(folder).fingerprint
    CHANGES[change](folder)
    after = read_dataset(folder).fingerprint
    assert after != before and len(after) == 16


# ---- real data


def test_openrad_has_the_images_that_its_note_counts(real_data):
    dataset = read_dataset(real_data / "openrad")
    assert [problem.where for problem in dataset.problems] == ["validation"]  # 33 concepts that train lacks
    table = count_images(dataset.images)
    assert table["total"].to_dict() == {"train": 3398, "val": 675, "test": 669}
    in_folders = {
        (split, category): len(list((real_data / "openrad" / split / category).iterdir()))
        for split in ("train", "val") for category in CATEGORIES
    }  # fmt: skip
    assert {key: table.loc[key] for key in in_folders} == in_folders
    labelled = dataset.split("train", "val")["concepts"]
    assert len({concept for concepts in labelled for concept in concepts}) == 690
    assert round(labelled.map(len).mean(), 1) == 4.5


def test_both_layouts_of_openrad_agree(real_data):
    openrad = real_data / "openrad"
    labelled = read_dataset(openrad).split("train", "val")
    for split in ("train", "val"):
        of_split = labelled[labelled["split"] == split]
        one_list = {
            image_id: concepts for _, image_id, concepts in read_concept_lines(openrad / f"{split}_concepts.csv")
        }
        assert one_list == dict(zip(of_split["image_id"], of_split["concepts"], strict=True))


def test_rocov2_has_69866_images_and_234247_concept_occurrences(real_data):
    dataset = inspect_dataset(real_data / "rocov2")
    numbers = dataset.images["concepts"].map(len)
    assert dataset.images["split"].value_counts().to_dict() == {"train": 59_962, "val": 9_904}
    assert (len(numbers), numbers.sum(), round(numbers.mean(), 2)) == (69_866, 234_247, 3.35)


def test_the_list_of_roco_v1_is_understood(real_data):
    lines = list(read_concept_lines(real_data / "roco/data/validation/radiology/cuis.txt"))
    assert len({image_id for _, image_id, _ in lines}) == len(lines) == 8_180
    assert lines[1] == (2, "ROCO_00027", ("C0043299", "C1306645", "C1548003", "C0030797", "C1962945"))
    assert all(concept[0] == "C" and len(concept) == 8 for *_, concepts in lines for concept in concepts)
