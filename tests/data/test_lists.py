import shutil

import pytest
from data.filing import TRAIN_CT, VAL_CT, problems_of, write

from nblib.data.images import cache_pixels
from nblib.data.names import read_names
from nblib.data.problems import Problem, format_problems
from nblib.data.reading import inspect_dataset, read_dataset
from nblib.data.text import read_concept_lines

BAD_LINES = {
    "a bad CUI": ("A.jpg,C123\n", "'C123' is not a CUI; expected C and seven digits, like C0040405."),
    "a CUI too long": ("A.jpg,C00000012\n", "'C00000012' is not a CUI; expected C and seven digits, like C0040405."),
    "a lower-case CUI": ("A.jpg,c0000001\n", "'c0000001' is not a CUI; expected C and seven digits, like C0040405."),
    "an id with a folder": (
        "../A.jpg,C0000001\n",
        "'../A' is not an image name; expected a file name without folders.",
    ),
    "a Windows path": ("x\\A.jpg,C0000001\n", "'x\\\\A' is not an image name; expected a file name without folders."),
    "an id of dots": ("..,C0000001\n", "'..' is not an image name; expected a file name without folders."),
    "no id": (",C0000001\n", "'' is not an image name; expected a file name without folders."),
    "an image listed twice": ("B.jpg,C0000001\n", "B was listed before ({train}:2); keep one of the two lines."),
    "an image in two splits": ("D.jpeg,C0000001\n", "D was listed before ({train}:3); keep one of the two lines."),
    "an image of another split": ("E.jpg,C0000001\n", "E is in the train list, but its image is in the test folder."),
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
                        "C0000001 is listed more than once; counted once."),
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
    sentence = "a link that leads out of the data folder; copy its target into the folder."
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
    expected = "no concept lists; expected files like DRCT_CLEF_Train.csv (one per category) or train_concepts.csv."
    assert ("", expected, True) in problems_of(folder)


def test_labels_without_any_image_are_read_and_the_lack_told_once(folder):
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


def test_a_missing_folder_is_an_error_that_says_what_to_do(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"no data folder at .*nowhere\. Expected images in train/.*nblib sample"
    ):
        read_dataset(tmp_path / "nowhere")


def test_a_listing_ends_with_how_many_more_there_are():
    problems = [Problem(f"list.csv:{number}", "wrong.") for number in range(1, 2025)]
    lines = format_problems(problems).splitlines()
    assert (len(lines), lines[0], lines[-1]) == (21, "- list.csv:1: wrong.", "- and 2,004 more")
    assert format_problems(problems[:20]).splitlines()[-1] == "- list.csv:20: wrong."


# ---- forms of a list

EXPECTED = "expected a line `image,CUI,CUI` or `image<TAB>CUI;CUI`."


@pytest.mark.parametrize("line", ["B.jpg C0000002 C0000001", "B.jpg:C0000002:C0000001", "B.jpg C0000002"])
def test_a_line_without_a_separator_we_know_is_found(folder, line):
    write(folder / TRAIN_CT, f"A.jpg,C0000001\n{line}\n")
    what = f"no tab, comma, semicolon or | separates the fields of {line!r}; {EXPECTED}"
    assert (f"{TRAIN_CT}:2", what, True) in problems_of(folder)
    assert "B" not in set(inspect_dataset(folder).split("train")["image_id"])


def test_a_header_where_none_belongs_is_told_and_passed_over(folder):
    write(folder / TRAIN_CT, "ID,CUIs\nA.jpg,C0000001,C0000002\nB.jpg,C0000002\n")
    assert problems_of(folder) == [(f"{TRAIN_CT}:1", "a header; this layout has none. The line is ignored.", False)]
    assert len(read_dataset(folder).images) == 6


def test_no_header_where_one_belongs_is_told_and_the_line_read(tmp_path):
    write(tmp_path / "train_concepts.csv", "ROCOv2_1,C0000001\nROCOv2_2,C0000002\n")
    what = "no header; expected `ID,CUIs`. The line is read as an image."
    assert ("train_concepts.csv:1", what, False) in problems_of(tmp_path)
    assert list(read_dataset(tmp_path).images["image_id"]) == ["ROCOv2_1", "ROCOv2_2"]


def test_a_header_amid_a_list_is_found(folder):
    write(folder / TRAIN_CT, "A.jpg,C0000001,C0000002\nID,CUIs\nB.jpg,C0000002\n")
    what = "a header in the middle of the list; expected on line 1 only. Remove the line."
    assert problems_of(folder) == [(f"{TRAIN_CT}:2", what, True)]


def test_nothing_between_two_separators_is_told_and_passed_over(folder):
    write(folder / TRAIN_CT, "A.jpg,C0000001, ,C0000002,,\nB.jpg,,C0000002\n")
    what = "there is nothing between two separators; ignored."
    assert problems_of(folder) == [(f"{TRAIN_CT}:1", what, False)]
    assert list(read_dataset(folder).split("train")["concepts"][:2]) == [("C0000001", "C0000002"), ("C0000002",)]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_a_list_in_utf_16_is_named(folder, encoding):
    write(folder / VAL_CT, "D.jpeg,C0000001\n".encode(encoding))
    assert (f"{VAL_CT}:1", "the file is UTF-16, not UTF-8; save it as UTF-8 and try again.", True) in problems_of(
        folder
    )


def test_latin_1_is_named_with_its_line(folder):
    write(folder / VAL_CT, "D.jpeg,C0000001\nR\u00f6ntgen.jpg,C0000001\n".encode("latin-1"))
    what = "byte 17 is not UTF-8 but looks like Latin-1 (Windows-1252); save the file as UTF-8 and try again."
    assert (f"{VAL_CT}:2", what, True) in problems_of(folder)


def test_all_that_is_wrong_is_listed_at_once_in_the_order_of_the_lines(folder):
    lines = [f"{name},c{number}\n" for number, name in enumerate(["A.jpg", "B.jpg", "../X", "Y"])]
    write(folder / TRAIN_CT, "".join(lines))
    found = [(where, what.partition(";")[0]) for where, what, _ in problems_of(folder)]
    assert found[:7] == [
        (f"{TRAIN_CT}:1", "'c0' is not a CUI"),
        (f"{TRAIN_CT}:2", "'c1' is not a CUI"),
        (f"{TRAIN_CT}:3", "'../X' is not an image name"),
        (f"{TRAIN_CT}:3", "'c2' is not a CUI"),
        (f"{TRAIN_CT}:4", "'c3' is not a CUI"),
        (f"{TRAIN_CT}:3", "../X is listed, but there is no such image."),
        (f"{TRAIN_CT}:4", "Y is listed, but there is no such image."),
    ]


def test_concepts_of_validation_that_train_lacks_are_counted_in_a_note(folder):
    write(folder / VAL_CT, "D.jpeg,C0000001,C0000008,C0000009\n")
    what = "concepts that no training image has: 2, such as C0000008; they can't be learnt."
    assert problems_of(folder) == [("validation", what, False)]


def test_pictures_outside_of_any_split_are_counted_in_a_note(folder):
    write(folder / "more" / "G.jpg", "")
    what = f"1 images, such as {folder}/more/G.jpg, are in no folder named train, val or test; left out."
    assert problems_of(folder) == [("", what, False)]


def test_a_link_to_a_folder_outside_is_found_once(folder, tmp_path):
    write(tmp_path / "outside" / "Z1.jpg", "")
    write(tmp_path / "outside" / "Z2.jpg", "")
    (folder / "train" / "more").symlink_to(tmp_path / "outside")
    what = "a link that leads out of the data folder; copy its target into the folder."
    assert problems_of(folder) == [("train/more", what, True)]


def test_a_link_to_nothing_is_told(folder):
    (folder / "train" / "lost.jpg").symlink_to(folder / "train" / "gone.jpg")
    assert problems_of(folder) == [("train/lost.jpg", "a link to a folder, or to nothing; it is not followed.", False)]


def test_a_list_read_in_pieces_gives_the_same_as_the_whole(tmp_path, monkeypatch):
    text = "id\tcuis\n\nA\tC0000001;C0000002\n \nB\nC\tC0000002\n\n\nD\tC0000003;C0000001;C0000002"
    (tmp_path / "list.csv").write_text(text)

    def read():
        return list(read_concept_lines(tmp_path / "list.csv"))

    whole = read()
    assert [(number, image_id) for number, image_id, _ in whole] == [(3, "A"), (5, "B"), (6, "C"), (9, "D")]
    for characters in range(1, len(text)):
        monkeypatch.setattr("nblib.data.text._PIECE", characters)
        assert read() == whole


@pytest.mark.parametrize("line", ["A C0000001;C0000002", "A.jpg C0000001,C0000002", "A: C0000001;C0000002"])
def test_a_blank_or_colon_for_a_separator_before_others_is_found(folder, line):
    write(folder / TRAIN_CT, f"{line}\nB.jpg,C0000002\n")
    first = line.replace(",", ";").partition(";")[0]
    what = f"no tab, comma, semicolon or | separates the fields of {first!r}; expected a line `image,CUI,CUI` or `image<TAB>CUI;CUI`."
    assert (f"{TRAIN_CT}:1", what, True) in problems_of(folder)


def test_quoted_fields_are_read_without_their_quotes(tmp_path):
    path = write(tmp_path / "list.csv", '"ID","CUIs"\n"A","C0000001,C0000002"\n"B","C0000003"\n')
    assert list(read_concept_lines(path)) == [(2, "A", ("C0000001", "C0000002")), (3, "B", ("C0000003",))]


def test_a_wrong_line_of_a_manual_list_is_told_and_does_not_stop_training(tmp_path):
    write(tmp_path / "train_concepts.csv", "A\tC0000001\n")
    write(tmp_path / "train_concepts_manual.csv", "A\tC12\n")
    write(tmp_path / "train/A.jpg", "any")
    what = "'C12' is not a CUI; expected C and seven digits, like C0040405."
    assert problems_of(tmp_path) == [("train_concepts_manual.csv:1", what, False)]


def test_an_image_in_the_folder_of_another_category_than_its_list_is_told(folder):
    (folder / "train/DRCT/A.jpg").rename(folder / "train/DRXR/A.jpg")
    what = f"A is listed under DRCT but is in {folder}/train/DRXR/A.jpg; DRCT is used."
    assert problems_of(folder) == [(f"{TRAIN_CT}:1", what, False)]


def test_images_of_kinds_that_are_not_read_are_counted(folder):
    for name in ("G.gif", "H.TIF"):
        write(folder / "train" / "DRCT" / name, "any")
    what = f"2 images are neither .jpg nor .png, such as {folder}/train/DRCT/G.gif; not read. Convert them."
    assert problems_of(folder) == [("", what, False)]


def test_a_folder_linked_from_outside_can_not_be_quarantined_away(folder, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (folder / "train" / "more").symlink_to(tmp_path / "elsewhere")
    (problem,) = inspect_dataset(folder).problems
    assert problem.serious and problem.image_id is None
