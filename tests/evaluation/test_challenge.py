import pytest

from nblib.data import read_dataset
from nblib.evaluation.challenge import YEARS, natural_order, rules_of, submission_order


def test_each_year_has_the_form_that_it_asks_for():
    forms = {year: (rules.separator, rules.header, rules.suffix) for year, rules in YEARS.items()}
    assert forms == {
        2020: ("\t", None, ".txt"),
        2022: ("|", None, ".txt"),
        2024: (",", "ID,CUIs", ".zip"),
        2026: (",", "ID,CUIs", ".zip"),
    }
    assert [year for year, rules in YEARS.items() if rules.empty_truth_counts] == [2026]
    assert {rules.most_concepts for rules in YEARS.values()} == {100}
    assert YEARS[2020].submissions == 10


def test_an_unknown_year_is_refused():
    with pytest.raises(ValueError, match=r"year must be one of 2020, 2022, 2024, 2026; received 2021\."):
        rules_of(2021)


def test_numbers_in_names_are_ordered_as_numbers():
    wanted = ["ID_1", "ID_002", "ID_2", "ID_9_b", "ID_10", "ID_10_a", "ID_100", "IE_1", "x"]
    assert natural_order(reversed(wanted)) == wanted


@pytest.fixture
def unordered(tmp_path):
    """A data folder with the test images T_10, T_2 and T_1."""
    for split, image_ids in {"train": ["A"], "valid": ["B"], "test": ["T_10", "T_2", "T_1"]}.items():
        (tmp_path / split).mkdir()
        for image_id in image_ids:
            (tmp_path / split / f"{image_id}.jpg").write_bytes(b"not opened")
    for split, image_id in {"train": "A", "valid": "B"}.items():
        (tmp_path / f"{split}_concepts.csv").write_text(f"ID,CUIs\n{image_id},C0000001\n")
    return tmp_path


def test_without_a_list_test_images_are_in_natural_order(unordered):
    assert submission_order(read_dataset(unordered)) == ["T_1", "T_2", "T_10"]


@pytest.mark.parametrize("place", ["ids.csv", "test/ids.csv"])
def test_the_organisers_list_decides_the_order(unordered, place):
    dataset = read_dataset(unordered)
    (unordered / place).write_text("ID\nT_10\nT_1\nT_2\n")
    assert submission_order(dataset) == ["T_10", "T_1", "T_2"]


def test_a_list_of_other_images_decides_nothing(unordered):
    dataset = read_dataset(unordered)
    (unordered / "ids.csv").write_text("A\nB\n")
    assert submission_order(dataset) == ["T_1", "T_2", "T_10"]
