import pytest
from data.filing import TRAIN_CT, VAL_CT, problems_of, write

from nblib.data.reading import inspect_dataset, read_dataset

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
    if kind == "an image in two splits":  # lists are read in the order of their names: the later one is reported
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
def test_an_odd_line_is_reported_but_does_not_stop_training(folder, kind):
    content, sentence = ODD_LINES[kind]
    write(folder / TRAIN_CT, content)
    line = content[: content.index("A.jpg")].count("\n") + 1
    assert problems_of(folder) == [(f"{TRAIN_CT}:{line}", sentence, False)]
    assert len(read_dataset(folder).images) == 6


def test_a_concept_listed_twice_is_counted_once(folder):
    write(folder / TRAIN_CT, "A.jpg,C0000002,C0000001,C0000002\nB.jpg,C0000002\n")
    assert read_dataset(folder).images["concepts"][0] == ("C0000002", "C0000001")


def test_an_empty_list_is_found(folder):
    write(folder / VAL_CT, "")
    assert (VAL_CT, "the list is empty; expected a line `image,CUI,CUI` or `image<TAB>CUI;CUI`.", True) in problems_of(
        folder
    )


def test_a_list_that_is_not_utf_8_is_found(folder):
    write(folder / VAL_CT, b"D.jpeg,C0000001\xff\n")
    sentence = "byte 15 is not UTF-8 but looks like Latin-1 (Windows-1252); save the file as UTF-8 and try again."
    assert (f"{VAL_CT}:1", sentence, True) in problems_of(folder)


# ---- formats

EXPECTED = "expected a line `image,CUI,CUI` or `image<TAB>CUI;CUI`."


@pytest.mark.parametrize("line", ["B.jpg C0000002 C0000001", "B.jpg:C0000002:C0000001", "B.jpg C0000002"])
def test_a_line_without_a_separator_we_know_is_found(folder, line):
    write(folder / TRAIN_CT, f"A.jpg,C0000001\n{line}\n")
    what = f"no tab, comma, semicolon or | separates the fields of {line!r}; {EXPECTED}"
    assert (f"{TRAIN_CT}:2", what, True) in problems_of(folder)
    assert "B" not in set(inspect_dataset(folder).split("train")["image_id"])


def test_a_header_where_none_is_expected_is_reported_and_ignored(folder):
    write(folder / TRAIN_CT, "ID,CUIs\nA.jpg,C0000001,C0000002\nB.jpg,C0000002\n")
    assert problems_of(folder) == [(f"{TRAIN_CT}:1", "a header; this layout has none. The line is ignored.", False)]
    assert len(read_dataset(folder).images) == 6


def test_a_missing_header_is_reported_and_the_line_read(tmp_path):
    write(tmp_path / "train_concepts.csv", "ROCOv2_1,C0000001\nROCOv2_2,C0000002\n")
    what = "no header; expected `ID,CUIs`. The line is read as an image."
    assert ("train_concepts.csv:1", what, False) in problems_of(tmp_path)
    assert list(read_dataset(tmp_path).images["image_id"]) == ["ROCOv2_1", "ROCOv2_2"]


def test_a_header_in_the_middle_of_a_list_is_found(folder):
    write(folder / TRAIN_CT, "A.jpg,C0000001,C0000002\nID,CUIs\nB.jpg,C0000002\n")
    what = "a header in the middle of the list; expected on line 1 only. Remove the line."
    assert problems_of(folder) == [(f"{TRAIN_CT}:2", what, True)]


def test_nothing_between_two_separators_is_reported_and_ignored(folder):
    write(folder / TRAIN_CT, "A.jpg,C0000001, ,C0000002,,\nB.jpg,,C0000002\n")
    what = "there is nothing between two separators; ignored."
    assert problems_of(folder) == [(f"{TRAIN_CT}:1", what, False)]
    assert list(read_dataset(folder).split("train")["concepts"][:2]) == [("C0000001", "C0000002"), ("C0000002",)]


@pytest.mark.parametrize("encoding", ["UTF-16", "UTF-16-LE", "UTF-16-BE", "UTF-32", "UTF-32-LE", "UTF-32-BE"])
def test_a_list_in_utf_16_or_utf_32_is_named(folder, encoding):
    write(folder / VAL_CT, "D.jpeg,C0000001\n".encode(encoding))
    what = f"the file is {encoding[:6]}, not UTF-8; save it as UTF-8 and try again."
    assert (f"{VAL_CT}:1", what, True) in problems_of(folder)


def test_latin_1_is_named_with_its_line(folder):
    write(folder / VAL_CT, "D.jpeg,C0000001\nR\u00f6ntgen.jpg,C0000001\n".encode("latin-1"))
    what = "byte 17 is not UTF-8 but looks like Latin-1 (Windows-1252); save the file as UTF-8 and try again."
    assert (f"{VAL_CT}:2", what, True) in problems_of(folder)


def test_all_problems_are_listed_at_once_in_the_order_of_the_lines(folder):
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


@pytest.mark.parametrize("line", ["A C0000001;C0000002", "A.jpg C0000001,C0000002", "A: C0000001;C0000002"])
def test_a_space_or_colon_as_a_separator_before_others_is_found(folder, line):
    write(folder / TRAIN_CT, f"{line}\nB.jpg,C0000002\n")
    first = line.replace(",", ";").partition(";")[0]
    what = f"no tab, comma, semicolon or | separates the fields of {first!r}; {EXPECTED}"
    assert (f"{TRAIN_CT}:1", what, True) in problems_of(folder)


def test_a_wrong_line_of_a_manual_list_is_reported_and_does_not_stop_training(tmp_path):
    write(tmp_path / "train_concepts.csv", "A\tC0000001\n")
    write(tmp_path / "train_concepts_manual.csv", "A\tC12\n")
    write(tmp_path / "train/A.jpg", "any")
    what = "'C12' is not a CUI; expected C and seven digits, like C0040405."
    assert problems_of(tmp_path) == [("train_concepts_manual.csv:1", what, False)]
