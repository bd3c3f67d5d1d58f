"""The layouts of data folders: how each is recognised, and how it is read."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from nblib.data import parquet_shards
from nblib.data.folder import Contents, DataFolder, find_images
from nblib.data.lists import category_named, find_lists, read_lists, read_manual


class Layout(NamedTuple):
    """One way to lay out a data set: its title, how to recognise and how to read it."""

    title: str
    recognised: Callable[[DataFolder], bool]
    read: Callable[[DataFolder], Contents]


def recognise(folder: DataFolder) -> str:
    """The name of the first layout that recognises the folder; ImageCLEF's usual one where none does."""
    return next((name for name, layout in LAYOUTS.items() if layout.recognised(folder)), "imageclef")


def _is_roco(path: Path) -> bool:
    """ROCO v1: `data/<split>/radiology/cuis.txt`, lines `ROCO_00020<TAB><TAB>C4300092<TAB>...`, `images/` beside it."""
    return path.name == "cuis.txt"


def _is_per_split(path: Path, manual: bool = False) -> bool:
    """One list for a whole split: `train_concepts.csv`, `..._2022_concept_valid.csv`; `train_concepts_manual.csv`."""
    stem = path.stem.lower()
    is_list = "concept" in stem and not stem.startswith("string_") and category_named(path) is None
    return is_list and stem.endswith("manual") == manual


def _is_rocov2(path: Path) -> bool:
    """One list per split like those of ImageCLEF, whose first image is from ROCOv2."""
    if not _is_per_split(path):
        return False
    with path.open("rb") as content:
        return b"ROCOv2_" in content.read(200)


def _has(wanted: Callable[[Path], bool], folder: DataFolder) -> bool:
    return bool(find_lists(folder, wanted))


def _read(folder: DataFolder, wanted: Callable[[Path], bool], header: bool | None = False) -> Contents:
    """The images (files, or members of zip archives) and the wanted lists of train and validation."""
    images, image_problems = find_images(folder)
    listed, problems = read_lists(find_lists(folder, wanted), header)
    return Contents(images, listed, [*image_problems, *problems])


def _read_roco(folder: DataFolder) -> Contents:
    """The radiology images only."""
    files = tuple(path for path in folder.files if "non-radiology" not in path.parts)
    return _read(replace(folder, files=files), _is_roco)


def _read_per_split(folder: DataFolder, header: bool | None = None) -> Contents:
    """Manually curated lists too; captions, and ROCOv2's truth of the test split, are not read."""
    contents = _read(folder, _is_per_split, header)
    manual, problems = read_manual(find_lists(folder, partial(_is_per_split, manual=True)))
    return replace(contents, problems=[*contents.problems, *problems], manual=manual)


# Asked in this order: the first that recognises the folder reads it.
LAYOUTS = {
    "parquet": Layout("parquet shards", parquet_shards.recognised, parquet_shards.read),
    "roco": Layout("ROCO v1", partial(_has, _is_roco), _read_roco),
    # Lists such as `DRCT_CLEF_Train.csv`, lines `ROCO2_CLEF_76012.jpg,C0022742,C0043299`.
    "imageclef-2020": Layout(
        "ImageCLEF 2020 (one list per category)", partial(_has, category_named), partial(_read, wanted=category_named)
    ),
    # On Zenodo `train_concepts.csv` with the header `ID,CUIs`; ImageCLEF has `id<TAB>CUI;CUI`, or that header.
    "rocov2": Layout("ROCOv2", partial(_has, _is_rocov2), partial(_read_per_split, header=True)),
    "imageclef": Layout("one list per split", partial(_has, _is_per_split), _read_per_split),
}
