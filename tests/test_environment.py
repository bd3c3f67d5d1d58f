"""One list of dependencies: pyproject.toml; what installs from it, and what must not stand in the project."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

TOP = Path(__file__).parent.parent
PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
LOCK = (TOP / "requirements.lock").read_text()


def name_of(requirement):
    return re.match(r"[\w.-]+", requirement).group().lower()


@pytest.mark.parametrize("requirement", [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]])
def test_every_dependency_is_pinned_in_the_lock(requirement):
    assert re.search(rf"^{re.escape(name_of(requirement))}==\S+", LOCK, re.MULTILINE)


def test_the_lock_names_no_host():
    assert not re.search(r"https?://|--index-url|--find-links [^\n]|file:", LOCK.split("\n", 3)[3])


def test_conda_gets_python_and_pip_and_everything_else_through_the_project():
    environment = yaml.safe_load((TOP / "environment.yml").read_text())
    *conda, pip = environment["dependencies"]
    assert environment["name"] == PROJECT["name"]
    assert [name_of(each) for each in conda] == ["python", "pip"]
    assert pip == {"pip": ["--requirement requirements.lock", "--editable ."]}


def test_python_of_conda_is_one_the_project_takes():
    environment = yaml.safe_load((TOP / "environment.yml").read_text())
    assert environment["dependencies"][0] == "python=" + PROJECT["requires-python"].removeprefix(">=")


def test_make_help_lists_every_target_of_the_readme():
    listed = subprocess.run(["make", "-s", "help"], cwd=TOP, capture_output=True, text=True, check=True).stdout
    named = set(re.findall(r"`make (\w+)`", (TOP / "README.md").read_text()))
    assert {"demo", "test", "lab"} <= named
    assert named <= {line.split()[0] for line in listed.splitlines()} | {"help"}


def test_the_readme_has_no_blank_left_to_fill():
    assert not re.search(r"@\w+@|TODO|XXX", (TOP / "README.md").read_text())
