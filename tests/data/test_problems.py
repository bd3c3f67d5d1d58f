"""Problems as text, and the list of images that are left out because of them."""

import pytest
from data.filing import TRAIN_CT, VAL_CT, problems_of, write

from nblib.data.problems import Problem, format_problems, read_quarantine, write_quarantine
from nblib.data.reading import inspect_dataset, read_dataset


def test_a_quarantine_has_one_line_per_image_with_its_first_serious_reason(tmp_path):
    problems = [
        Problem("list.csv:2", "wrong\tin a way.", image_id="B"),
        Problem("list.csv:3", "odd.", serious=False, image_id="C"),
        Problem("list.csv:1", "wrong.", image_id="A"),
        Problem("list.csv:9", "wrong again.", image_id="B"),
        Problem("list.csv", "empty."),
    ]
    path = tmp_path / "new" / "quarantine.txt"
    assert write_quarantine(path, problems) == 2
    assert path.read_text() == "A\tlist.csv:1: wrong.\nB\tlist.csv:2: wrong in a way.\n"
    assert read_quarantine(path) == {"A": "list.csv:1: wrong.", "B": "list.csv:2: wrong in a way."}


def test_quarantined_images_stop_nothing_and_are_left_out_with_a_note(folder, tmp_path):
    (folder / "train/DRCT/B.jpg").unlink()
    write(folder / VAL_CT, "D.jpeg,C12\n")
    quarantine = tmp_path / "quarantine.txt"
    with pytest.raises(ValueError, match="is not fit for training"):
        read_dataset(folder)
    assert write_quarantine(quarantine, inspect_dataset(folder).problems) == 2
    dataset = read_dataset(folder, quarantine=quarantine)
    assert list(dataset.images["image_id"]) == ["A", "C", "E", "F"]
    assert [str(problem) for problem in dataset.problems] == [f"{quarantine}: 2 images are left out, as listed there."]
    assert dataset.fingerprint != inspect_dataset(folder).fingerprint


def test_a_list_of_bare_names_is_enough_and_test_images_can_be_left_out(folder, tmp_path):
    quarantine = write(tmp_path / "quarantine.txt", "E\n\nA\n")
    assert list(read_dataset(folder, quarantine=quarantine).images["image_id"]) == ["B", "C", "D", "F"]


def test_quarantined_names_that_the_data_do_not_have_are_counted(folder, tmp_path):
    quarantine = write(tmp_path / "quarantine.txt", "B\nNOWHERE\tgone\n")
    (note,) = read_dataset(folder, quarantine=quarantine).problems
    assert note.what == "1 images are left out, as listed there; 1 more are not in the data, such as NOWHERE."


def test_other_problems_still_stop_training(folder, tmp_path):
    write(folder / TRAIN_CT, "A.jpg,C12\nB.jpg,C13\n")
    quarantine = write(tmp_path / "quarantine.txt", "A\n")
    with pytest.raises(ValueError, match="'C13' is not a CUI") as raised:
        read_dataset(folder, quarantine=quarantine)
    assert "C12" not in str(raised.value)
    assert any("C12" in what for _, what, _ in problems_of(folder))


def test_a_quarantine_that_is_not_there_says_how_to_write_it(folder, tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"no file .*q\.txt; `nblib check DATA --quarantine .*q\.txt` writes it"
    ):
        read_dataset(folder, quarantine=tmp_path / "q.txt")


def test_a_listing_ends_with_how_many_more_there_are():
    problems = [Problem(f"list.csv:{number}", "wrong.") for number in range(1, 2025)]
    lines = format_problems(problems).splitlines()
    assert (len(lines), lines[0], lines[-1]) == (21, "- list.csv:1: wrong.", "- and 2,004 more")
    assert format_problems(problems[:20]).splitlines()[-1] == "- list.csv:20: wrong."
