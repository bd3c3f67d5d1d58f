"""The floors of nblib, and the faces of its packages."""

import ast
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import nbformat
import pytest

TOP = Path(__file__).parent.parent
NBLIB = TOP / "nblib"

# A package imports only from floors below its own.
FLOORS = (
    ("__main__",),
    ("ensembles", "prediction", "widgets"),
    ("training", "figures", "reports", "batch"),
    ("experiments", "evaluation"),
    ("data",),
    ("system", "phantoms"),
)
WITH_KERAS = {"training"}
LOADING_KERAS = {*WITH_KERAS, "ensembles", "prediction"}  # which import training

PACKAGES = sorted(path.parent.name for path in NBLIB.glob("*/__init__.py"))
MODULES = sorted(NBLIB.rglob("*.py"))


def package_of(path: Path) -> str:
    """`data` of nblib/data/text.py, `__main__` of nblib/__main__.py."""
    return path.relative_to(NBLIB).parts[0].removesuffix(".py")


def imports(source: str) -> set[str]:
    """Dotted names that Python code imports, also inside functions: `nblib.data.Dataset`, `numpy`."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            found |= {f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names}
    return found


def imports_of(path: Path) -> set[str]:
    return imports(path.read_text(encoding="utf-8"))


def notebook_code(path: Path) -> str:
    cells = nbformat.read(path, as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "code")


def face(package: str) -> list[str]:
    """`__all__` of a package."""
    for node in ast.parse((NBLIB / package / "__init__.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "__all__":
            return ast.literal_eval(node.value)
    return []


def submodules(package: str) -> set[str]:
    return {path.stem for path in (NBLIB / package).iterdir()} - {"__init__", "__pycache__"}


USERS = {
    **{str(path.relative_to(TOP)): (package_of(path), path.read_text(encoding="utf-8")) for path in MODULES},
    **{path.name: (None, notebook_code(path)) for path in sorted((TOP / "notebooks").glob("*.ipynb"))},
}


def test_every_package_is_on_exactly_one_floor():
    assert Counter(name for floor in FLOORS for name in floor) == Counter([*PACKAGES, "__main__"])


@pytest.mark.parametrize("package", [name for floor in FLOORS for name in floor])
def test_a_package_imports_only_from_floors_below_its_own(package):
    height = next(number for number, floor in enumerate(FLOORS) if package in floor)
    below = {name for floor in FLOORS[height + 1 :] for name in floor}
    found = {name for path in MODULES if package_of(path) == package for name in imports_of(path)}
    assert {name.split(".")[1] for name in found if name.startswith("nblib.")} - {package} <= below


@pytest.mark.parametrize("package", PACKAGES)
def test_modules_of_a_package_import_each_other_without_a_cycle(package):
    modules = [path for path in MODULES if package_of(path) == package and path.name != "__init__.py"]
    names = {".".join(path.relative_to(TOP).with_suffix("").parts): path for path in modules}
    needs = {
        name: {other for other in names if any(f"{each}.".startswith(f"{other}.") for each in imports_of(path))}
        for name, path in names.items()
    }
    while leaves := {name for name, others in needs.items() if not others}:
        needs = {name: others - leaves for name, others in needs.items() if name not in leaves}
    assert needs == {}


def test_keras_and_tensorflow_are_imported_by_training_alone():
    importers = {
        package_of(path)
        for path in MODULES
        if path.name != "standalone.py"  # which is copied into exports, and imports nothing here
        and {"keras", "tensorflow"} & {name.strip(".").split(".")[0] for name in imports_of(path)}
    }
    assert importers == WITH_KERAS


def test_what_does_not_train_does_not_load_tensorflow():
    packages = ", ".join(f"nblib.{name}" for name in PACKAGES if name not in LOADING_KERAS)
    program = f"import json, sys, nblib.__main__, {packages}; print(json.dumps(sorted(sys.modules)))"
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    loaded = set(json.loads(printed))
    assert {"numpy", "nblib.experiments.runs"} <= loaded
    assert loaded.isdisjoint({"tensorflow", "keras"})


def is_inside(name: str) -> bool:
    """Whether a dotted name lies inside a package and not on its face, such as `nblib.data.text.read_text`."""
    _, package, *rest = name.split(".")
    inside = package in PACKAGES and rest and rest[0] in submodules(package)
    return bool(inside) and (len(rest) > 1 or rest[0] not in face(package))


@pytest.mark.parametrize("user", USERS)
def test_nobody_imports_from_inside_another_package(user):
    package, source = USERS[user]
    of_others = [name for name in imports(source) if name.startswith("nblib.") and name.split(".")[1] != package]
    assert [name for name in of_others if is_inside(name)] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_everything_on_a_face_is_used_outside_its_package(package):
    used = set()
    for owner, source in USERS.values():
        if owner != package:
            found = imports(source)
            used |= {name.rsplit(".", 1)[1] for name in found if name.startswith(f"nblib.{package}.")}
            if f"nblib.{package}" in found:
                tree = ast.walk(ast.parse(source))
                used |= {n.attr for n in tree if isinstance(n, ast.Attribute) and getattr(n.value, "id", "") == package}
    assert face(package) and set(face(package)) - used == set()


@pytest.mark.parametrize("package", PACKAGES)
def test_a_face_only_re_exports(package):
    _docstring, *rest = ast.parse((NBLIB / package / "__init__.py").read_text(encoding="utf-8")).body
    assert all(isinstance(node, ast.ImportFrom | ast.Assign) for node in rest)


def test_nblib_itself_imports_none_of_its_packages():
    assert not [name for name in imports_of(NBLIB / "__init__.py") if name.startswith(("nblib", "."))]


def test_imports_are_absolute():
    assert not [(path, name) for path in MODULES for name in imports_of(path) if name.startswith(".")]


# Tests of a whole package, and modules that the tests of others go through.
OF_REPORTS = {"reports/browser", "reports/hostile", "reports/mutations"}
OF_WHOLE_PACKAGES = OF_REPORTS | {"training/failures", "training/kills", "widgets/jupyterlab"}
PHANTOMS = ("canvas", "marks", "projections", "sections", "ultrasound")
TESTED_BY_OTHERS = {"widgets/inline", *(f"phantoms/{name}" for name in PHANTOMS)}


def test_tests_mirror_modules():
    modules = {f"{package}/{path.stem}" for package in PACKAGES for path in (NBLIB / package).glob("[!_]*.py")}
    files = [path for path in (TOP / "tests").glob("*/test_*.py") if path.parent.name != "slurm"]
    tested = {f"{path.parent.name}/{path.stem[5:]}" for path in files}
    assert tested - OF_WHOLE_PACKAGES == modules - TESTED_BY_OTHERS


def test_imports_inside_functions_are_found():
    assert "nblib.phantoms.draw_sample" in imports_of(NBLIB / "__main__.py")
    assert "nblib.data.table.Dataset" in imports_of(NBLIB / "data" / "examples.py")
