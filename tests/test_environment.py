"""Dependencies are listed once, in pyproject.toml; what the Markdown pages name (targets, commands, links) exists."""

import re
import subprocess
import tomllib
from pathlib import Path

import nbformat
import pytest
import typer
import yaml

from nblib.__main__ import app

TOP = Path(__file__).parent.parent
PAGES = [*sorted(TOP.glob("*.md")), *sorted((TOP / "docs").glob("*.md"))]
PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
LOCK = (TOP / "requirements.lock").read_text()


def name_of(requirement):
    return re.match(r"[\w.-]+", requirement).group().lower()


EXTRAS = PROJECT["optional-dependencies"]
LOCKED = [*PROJECT["dependencies"], *EXTRAS["app"], *EXTRAS["dicom"], *EXTRAS["export"], *EXTRAS["hub"], *EXTRAS["dev"]]


@pytest.mark.parametrize("requirement", LOCKED)
def test_every_dependency_is_pinned_in_the_lock(requirement):
    assert re.search(rf"^{re.escape(name_of(requirement))}==\S+", LOCK, re.MULTILINE)


def test_the_lock_names_no_host():
    assert not re.search(r"https?://|--index-url|--find-links [^\n]|file:", LOCK.split("\n", 3)[3])


def test_conda_gets_python_pip_and_every_dependency_and_pip_only_the_project():
    environment = yaml.safe_load((TOP / "environment.yml").read_text())
    python, *conda, pip = environment["dependencies"]
    assert environment["name"] == PROJECT["name"] and environment["channels"] == ["conda-forge"]
    assert name_of(python) == "python"
    assert conda == ["pip", *LOCKED]
    assert pip == {"pip": ["--editable ."]}


def test_python_of_conda_is_one_the_project_takes():
    environment = yaml.safe_load((TOP / "environment.yml").read_text())
    assert environment["dependencies"][0] == "python=" + PROJECT["requires-python"].removeprefix(">=")


def code_on(page: Path) -> str:
    """All code on a page, inline or in a block, without comments; a line continued by a backslash is one line."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^ *```\w*\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
    inline = re.findall(r"`([^`\n]+)`", text)
    return re.sub(r"\s#.*", "", "\n".join([*blocks, *inline]).replace("\\\n", " "))


def anchors_of(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


for_each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@for_each_page
def test_every_relative_link_leads_to_a_file_and_every_anchor_to_a_heading(page):
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    relative = [link.partition("#") for link in links if "://" not in link]
    targets = [((page.parent / path) if path else page, anchor) for path, _, anchor in relative]
    assert [str(target) for target, _ in targets if not target.exists()] == []
    assert [anchor for target, anchor in targets if anchor and anchor not in anchors_of(target)] == []


@for_each_page
def test_every_path_of_the_project_in_code_exists(page):
    paths = re.findall(r"(?<![\w/.])(?:nblib|tests|notebooks|params|docs)/[\w./-]+", code_on(page))
    assert [path for path in paths if not (TOP / path).exists() and not list(TOP.glob(f"{path}*"))] == []


@for_each_page
def test_every_nblib_command_has_the_options_that_are_named(page):
    commands = typer.main.get_command(app).commands
    for name, rest in re.findall(r"(?:^|[\s/])nblib ([a-z][a-z-]*)([^#\n]*)", code_on(page), re.MULTILINE):
        known = {option for each in commands[name].params for option in (*each.opts, *each.secondary_opts)}
        assert set(re.findall(r"(?<=[\s\[])--?[a-z][\w-]*", rest)) <= known | {"--help"}, name


@for_each_page
def test_every_parameter_that_is_named_belongs_to_a_notebook(page):
    cells = [cell for path in (TOP / "notebooks").glob("*.ipynb") for cell in nbformat.read(path, as_version=4).cells]
    sources = [cell.source for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    known = {name for source in sources for name in re.findall(r"^(\w+) = ", source, re.MULTILINE)}
    assert set(re.findall(r"(?<!\S)-p ([a-z]\w+) ", code_on(page))) <= known


@for_each_page
def test_make_help_lists_every_target_that_is_named(page):
    listed = subprocess.run(["make", "-s", "help"], cwd=TOP, capture_output=True, text=True, check=True).stdout
    named = set(re.findall(r"^make (\w+)", code_on(page), re.MULTILINE))
    assert named <= {line.split()[0] for line in listed.splitlines()} | {"help"}


@for_each_page
def test_a_page_has_no_blank_left_to_fill(page):
    assert not re.search(r"@\w+@|TODO|XXX", page.read_text(encoding="utf-8"))


def test_the_readme_names_the_first_commands_in_at_most_1000_words():
    assert {"make demo", "make test", "make lab"} <= set(re.findall(r"make \w+", code_on(TOP / "README.md")))
    assert len((TOP / "README.md").read_text(encoding="utf-8").split()) <= 1000


def test_every_page_can_be_reached_from_the_readme():
    linked = set(re.findall(r"\]\(([\w/]+\.md)\)", (TOP / "README.md").read_text(encoding="utf-8")))
    assert linked == {str(page.relative_to(TOP)) for page in PAGES} - {"README.md"}
