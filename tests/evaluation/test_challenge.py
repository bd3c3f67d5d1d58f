import pytest

from nblib.evaluation.challenge import YEARS, rules_of


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
