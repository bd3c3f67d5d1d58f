import ast
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import nblib

FOLDER = Path(nblib.__file__).parent

# A module imports only from floors below its own; the last line is the ground.
FLOORS = (
    ("__main__",),
    ("batch",),
    ("training", "widgets", "doctor"),
    ("monitoring", "figures", "reports", "gradcam", "ideas"),
    ("breakdown", "comparison", "ensembles", "heads"),
    ("features",),
    ("counting", "models", "submission", "deciding", "beside_paper"),
    ("weights",),
    ("runs",),
    ("losses", "experiment", "dataset", "concepts", "images", "retrieval", "selection"),
    ("pixel_store", "calibration"),
    ("files", "pixels", "sources", "concept_column", "paper", "phantoms"),
    ("metrics", "expected_f1", "intervals", "optimizers", "devices", "attended", "progress_bar"),
)
DATASET_FLOORS = (
    ("__init__",),
    ("rocov2",),
    ("imageclef_2020", "imageclef", "roco", "parquet_shards"),
    ("layout", "matching", "table"),
    ("lists", "image_files", "categories", "names", "quarantine", "checks"),
    ("folder",),
    ("problems", "text"),
)
WITHOUT_KERAS = ("dataset", "concepts", "counting", "figures", "submission", "runs", "selection", "reports",
                 "beside_paper", "deciding", "ensembles", "retrieval", "breakdown", "ideas",
                 "batch.execute", "batch.places", "batch.command")  # fmt: skip

MODULES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")
DATASET_MODULES = sorted(path.stem for path in (FOLDER / "dataset").glob("*.py"))
PACKAGES = sorted(path.parent.name for path in FOLDER.glob("*/__init__.py"))


def imported_names(path):
    """Dotted names that a file imports from nblib, also inside functions: `nblib.runs.Run`, `nblib.runs`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            names = [f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names]
        yield from (name for name in names if name.startswith(("nblib.", ".")))


def test_every_module_is_on_exactly_one_floor():
    placed = Counter(module for floor in FLOORS for module in floor)
    assert placed == Counter([*MODULES, *PACKAGES])


def below(module, floors):
    """The modules of all floors under the module's own."""
    height = next(number for number, floor in enumerate(floors) if module in floor)
    return {name for floor in floors[height + 1 :] for name in floor}


@pytest.mark.parametrize("module", [*MODULES, *PACKAGES])
def test_a_module_imports_only_from_floors_below_it(module):
    files = [FOLDER / f"{module}.py"] if module in MODULES else sorted((FOLDER / module).glob("*.py"))
    imported = {name.split(".")[1] for path in files for name in imported_names(path)}
    assert imported - {module} <= below(module, FLOORS)


def test_every_module_of_dataset_is_on_exactly_one_floor():
    placed = Counter(module for floor in DATASET_FLOORS for module in floor)
    assert placed == Counter(DATASET_MODULES)


@pytest.mark.parametrize("module", DATASET_MODULES)
def test_a_module_of_dataset_imports_only_from_floors_below_it(module):
    imported = [name.split(".")[1:] for name in imported_names(FOLDER / "dataset" / f"{module}.py")]
    assert {first for first, *_ in imported if first != "dataset"} <= below("dataset", FLOORS)
    assert {second for first, second, *_ in imported if first == "dataset"} <= below(module, DATASET_FLOORS)


def test_the_imports_are_really_found():
    assert "nblib.runs.open_run" in imported_names(FOLDER / "training.py")
    assert "nblib.phantoms.draw_sample" in imported_names(FOLDER / "__main__.py")  # inside a function


def test_the_package_itself_imports_none_of_its_modules():
    assert list(imported_names(FOLDER / "__init__.py")) == []


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.py")), ids=lambda path: path.stem)
def test_imports_are_absolute(path):
    assert not [name for name in imported_names(path) if name.startswith(".")]


@pytest.mark.parametrize("path", sorted((FOLDER / "phantoms").glob("*.py")), ids=lambda path: path.stem)
def test_phantoms_import_only_each_other(path):
    assert all(name.startswith("nblib.phantoms.") for name in imported_names(path))


def test_what_does_not_train_imports_neither_tensorflow_nor_keras():
    imports = ", ".join(f"nblib.{module}" for module in WITHOUT_KERAS)
    program = f"import json, sys, {imports}; print(json.dumps(sorted(sys.modules)))"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    loaded = set(json.loads(told))
    assert {"numpy", "nblib.runs"} <= loaded
    assert loaded.isdisjoint({"tensorflow", "keras"})
