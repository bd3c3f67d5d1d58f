"""docs/faithful.md: every object that the page names exists, and every test that it names is run and passes."""

import ast
import pkgutil
import re
import subprocess
import sys
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


def left_out(names, items):
    """Those of the named tests that are not among the collected ones, or that are marked so that they prove nothing."""
    marked = {item for item in items for _ in [*item.iter_markers("skip"), *item.iter_markers("xfail")]}
    collected = {f"{item.nodeid.partition('::')[0]}::{item.originalname}" for item in items if item not in marked}
    return sorted({f"{file}::{name}" for file, name in names} - collected)


def run_tests(ids, folder):
    """Runs tests in a process of their own and returns what failed or was skipped; real images may be missing."""
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", *ids]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    unproved = re.findall(r"^(?:FAILED|ERROR|SKIPPED|XFAIL|XPASS)\b.*", done.stdout, re.MULTILINE)
    unproved = [line for line in unproved if "NBLIB_REAL_DATA is not set" not in line]
    return unproved or ([] if done.returncode == 0 else [done.stdout[-2000:]])


def test_the_named_tests_pass(request):
    """The whole suite runs them where they are; those that this run of pytest leaves out are run here."""
    missing = left_out(TEST.findall(PAGE), request.session.items)
    assert not missing or run_tests(missing, TOP) == []


def test_a_test_that_does_not_run_or_pass_is_noticed(request, tmp_path):
    names = [("tests/test_faithful.py", request.node.name), ("tests/test_faithful.py", "defined_in")]
    assert left_out(names, request.session.items) == ["tests/test_faithful.py::defined_in"]
    lines = ["import pytest", "def test_good(): pass", "def test_bad(): assert not 1", "@pytest.mark.skip",
             "def test_later(): pass", "def holder():", "    def test_inside(): pass"]  # fmt: skip
    (tmp_path / "test_some.py").write_text("\n".join(lines))
    assert run_tests(["test_some.py::test_good"], tmp_path) == []
    assert len(run_tests(["test_some.py"], tmp_path)) == 2
    assert run_tests(["test_some.py::test_inside"], tmp_path) != []


def test_a_renamed_object_is_noticed():
    with pytest.raises(AttributeError):
        pkgutil.resolve_name("nblib.training.models.build_networks")


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
