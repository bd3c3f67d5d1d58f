"""Lines of concept lists, in the format of any year."""

import pytest
from data.filing import write

from nblib.data.text import read_concept_lines, without_suffix


@pytest.mark.parametrize(
    "line",
    ["A.jpg,C0000001,C0000002", "A\tC0000001;C0000002", "A|C0000001;C0000002", "A,C0000001;C0000002",
     "A\t\tC0000001\tC0000002", " A , C0000001 ; C0000002 ;"],
)  # fmt: skip
def test_the_line_of_every_year_is_understood(tmp_path, line):
    path = write(tmp_path / "list.csv", line)
    assert list(read_concept_lines(path)) == [(1, "A", ("C0000001", "C0000002"))]


def test_a_header_is_no_image_and_line_numbers_count_it(tmp_path):
    path = write(tmp_path / "list.csv", "ID,CUIs\nA,C0000001\n\nB,\n")
    assert list(read_concept_lines(path)) == [(2, "A", ("C0000001",)), (4, "B", ())]


@pytest.mark.parametrize(
    ("name", "image_id"), [("ROCO2_1.jpg", "ROCO2_1"), ("a.JPEG", "a"), ("a.png", "a"), ("a.1", "a.1"), ("a", "a")]
)
def test_only_an_image_extension_is_taken_off_a_name(name, image_id):
    assert without_suffix(name) == image_id


def test_blank_lines_are_skipped_and_counted(tmp_path):
    text = "id\tcuis\n\nA\tC0000001;C0000002\n \nB\nC\tC0000002\n\t\n\nD\tC0000003;C0000001;C0000002"
    lines = read_concept_lines(write(tmp_path / "list.csv", text))
    assert [(number, image_id) for number, image_id, _ in lines] == [(3, "A"), (5, "B"), (6, "C"), (9, "D")]


@pytest.mark.parametrize("text", ["", "\n", " \n\t\n", "ID,CUIs\n"])
def test_a_list_without_images_has_no_lines(tmp_path, text):
    assert list(read_concept_lines(write(tmp_path / "list.csv", text))) == []


def test_a_concept_is_held_in_memory_once(tmp_path):
    path = write(tmp_path / "list.csv", "A,C0000001\nB,C0000002,C0000001\n")
    (_, _, (first,)), (_, _, (_, second)) = read_concept_lines(path)
    assert first is second


def test_quoted_fields_are_read_without_their_quotes(tmp_path):
    path = write(tmp_path / "list.csv", '"ID","CUIs"\n"A","C0000001,C0000002"\n"B","C0000003"\n')
    assert list(read_concept_lines(path)) == [(2, "A", ("C0000001", "C0000002")), (3, "B", ("C0000003",))]
