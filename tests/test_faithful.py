"""docs/faithful.md: every object and every test that the page names exists, so that a renamed one is noticed."""

import ast
import pkgutil
import re
from pathlib import Path

import nbformat
import pytest
from training.test_models import PARAMETERS, STATISTICS_OF_BATCH_NORMALISATION

TOP = Path(__file__).parent.parent
PAGE = (TOP / "docs" / "faithful.md").read_text(encoding="utf-8")
LINES = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line[:1] == "|"]
ROWS = [line for line in LINES if line[0] not in ("section", "---")]

CODE = re.compile(r"\[`(nblib\.[\w.]+)`\]\(\.\./([\w/]+\.py)\)")
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def defined_in(file):
    """Names of the functions, classes and values that a file defines."""
    for node in ast.walk(ast.parse((TOP / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        if isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def test_every_statement_has_code_and_a_test_and_nothing_else_is_in_these_columns():
    assert ROWS and {len(line) for line in LINES} == {4}
    for _, says, code, tests in ROWS:
        assert says
        assert re.fullmatch(rf"{CODE.pattern}(, {CODE.pattern})*", code), code
        assert re.fullmatch(rf"{TEST.pattern}(<br>{TEST.pattern})*", tests), tests


@pytest.mark.parametrize(("name", "file"), sorted(set(CODE.findall(PAGE))))
def test_code_can_be_imported_and_is_defined_in_the_file_it_is_linked_to(name, file):
    pkgutil.resolve_name(name)
    assert name.split(".")[-1] in defined_in(file)


@pytest.mark.parametrize(("file", "name"), sorted(set(TEST.findall(PAGE))))
def test_the_named_test_exists(file, name):
    assert name in defined_in(file) and name.startswith("test_")


def test_a_renamed_object_or_test_is_noticed():
    with pytest.raises(AttributeError):
        pkgutil.resolve_name("nblib.training.models.build_networks")
    names = set(defined_in("tests/training/test_models.py"))
    assert "test_vgg16_has_the_layers_of_listing_1_1" in names
    assert "test_vgg16_has_the_layers_of_listing_1" not in names


@pytest.mark.parametrize(
    "place",
    [
        *("2", "3.1", "3.2", "3.3", "3.4", "4", "5"),
        *(f"Table {number}" for number in range(1, 6)),
        *(f"Figure {number}" for number in range(1, 7)),
        *(f"Listing 1.{number}" for number in (1, 2, 3)),
    ],
)
def test_the_page_has_a_row_for(place):
    assert any(place in re.split(", ", section) for section, *_ in ROWS)


def test_deviations_come_before_the_map():
    assert re.findall("^## (.+)$", PAGE, re.MULTILINE) == ["Deviations and choices", "The map"]


def test_the_parameter_counts_on_the_page_are_those_of_the_tests():
    counts = {*PARAMETERS.values(), *STATISTICS_OF_BATCH_NORMALISATION.values()} - {0}
    assert counts <= {int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*\d", PAGE)}


def test_readme_and_notebook_07_link_to_the_page():
    assert "](docs/faithful.md)" in (TOP / "README.md").read_text(encoding="utf-8")
    cells = nbformat.read(TOP / "notebooks" / "07_results.ipynb", as_version=4).cells
    assert any("](../docs/faithful.md)" in cell.source for cell in cells if cell.cell_type == "markdown")
