"""The layouts of data folders: what each needs, and how it is read."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from nblib.data import parquet_shards
from nblib.data.folder import Contents, DataFolder, SplitOf, find_images, split_in_id, split_of_folders
from nblib.data.lists import ConceptList, category_named, find_lists, read_ids, read_lists, read_manual


class Layout(NamedTuple):
    """One way to lay out a data set: its title, what a folder lacks for it (None: it fits), and how to read it."""

    title: str
    missing: Callable[[DataFolder], str | None]
    read: Callable[[DataFolder], Contents]


def recognise(folder: DataFolder) -> str | None:
    """The name of the first layout that the folder fits; None where it fits none."""
    return next((name for name, layout in LAYOUTS.items() if layout.missing(folder) is None), None)


def _is_roco(path: Path) -> bool:
    """ROCO v1: `data/<split>/radiology/cuis.txt`, lines `ROCO_00020<TAB><TAB>C4300092<TAB>...`, `images/` beside it."""
    return path.name == "cuis.txt"


def _is_of_all_splits(path: Path) -> bool:
    """The list of 2026."""
    return path.name.lower() == "concepts.csv"


def _is_per_split(path: Path, manual: bool = False) -> bool:
    """One list for a whole split: `train_concepts.csv`, `..._2022_concept_valid.csv`; `train_concepts_manual.csv`."""
    stem = path.stem.lower()
    is_list = "concept" in stem and not stem.startswith("string_") and category_named(path) is None
    return is_list and stem.endswith("manual") == manual


def _lists(folder: DataFolder, wanted: Callable[[Path], bool]) -> list[ConceptList]:
    """The wanted lists, and all lists of the test split."""
    tests = [each for each in find_lists(folder, _is_per_split) if each.split == "test"]
    return list(dict.fromkeys([*find_lists(folder, wanted), *tests]))


def _lacks(wanted: Callable[[Path], bool], named: str, folder: DataFolder) -> str | None:
    lists = find_lists(folder, wanted)
    if any(each.split in ("train", "val") for each in lists):
        return None
    return f"{lists[0].path} names neither train nor validation" if lists else f"no list such as {named}"


def _lacks_rocov2(folder: DataFolder) -> str | None:
    """One list per split like those of ImageCLEF, whose first image is from ROCOv2."""
    if lacking := _lacks(_is_per_split, "train_concepts.csv", folder):
        return lacking
    lists = [each.path for each in find_lists(folder, _is_per_split) if each.split]
    return None if any("ROCOv2_" in _beginning(path) for path in lists) else f"no ID of ROCOv2 in {lists[0]}"


def _lacks_2026(folder: DataFolder) -> str | None:
    lists = list(filter(_is_of_all_splits, folder.having(".csv")))
    if any(split_in_id(line) for path in lists for line in _beginning(path).splitlines()[:3]):
        return None
    return f"the first IDs of {lists[0]} name no split" if lists else "no concepts.csv"


def _beginning(path: Path) -> str:
    with path.open("rb") as content:
        return content.read(500).decode("latin-1")


def _read(folder: DataFolder, lists: list[ConceptList], header: bool | None, split_of: SplitOf) -> Contents:
    """The images (files, or members of zip archives), and what the lists say of them; captions are not read."""
    images, image_problems = find_images(folder, split_of)
    listed, problems = read_lists(lists, header)
    manual, manual_problems = read_manual(find_lists(folder, partial(_is_per_split, manual=True)))
    test_ids, id_problems = read_ids([path for path in folder.having(".csv") if path.name.lower() == "ids.csv"])
    return Contents(images, listed, [*image_problems, *problems, *manual_problems, *id_problems], manual, test_ids)


def _read_from_folders(folder: DataFolder, wanted: Callable[[Path], bool], header: bool | None = False) -> Contents:
    """Images in folders that name their split, and the wanted lists."""
    return _read(folder, [each for each in _lists(folder, wanted) if each.split], header, split_of_folders)


def _read_roco(folder: DataFolder) -> Contents:
    """The radiology images only."""
    files = tuple(path for path in folder.files if "non-radiology" not in path.parts)
    return _read_from_folders(replace(folder, files=files), _is_roco)


def _read_2026(folder: DataFolder) -> Contents:
    """All images in one folder and one list of them, whose IDs name the split; test images may have a folder."""

    def split_of(image_id: str, folders: tuple[str, ...]) -> str | None:
        return split_in_id(image_id) or ("test" if split_of_folders(image_id, folders) == "test" else None)

    lists = _lists(folder, _is_of_all_splits)
    lists = [each if each.split == "test" else each._replace(split=None) for each in lists]
    return _read(folder, lists, True, split_of)


# Asked in this order: the first that the folder fits reads it.
LAYOUTS = {
    "parquet": Layout("parquet shards", parquet_shards.missing, parquet_shards.read),
    "roco": Layout("ROCO v1", partial(_lacks, _is_roco, "train/radiology/cuis.txt"), _read_roco),
    # Lists such as `DRCT_CLEF_Train.csv`, lines `ROCO2_CLEF_76012.jpg,C0022742,C0043299`.
    "imageclef-2020": Layout(
        "ImageCLEF 2020 (one list per category)",
        partial(_lacks, category_named, "DRCT_CLEF_Train.csv"),
        partial(_read_from_folders, wanted=category_named),
    ),
    # `images/` and `concepts.csv` with lines `ImageCLEFmedical_Caption_2026_train_000012,C0040405;C0817096`.
    "imageclef-2026": Layout("ImageCLEF 2026 (one list; IDs name the split)", _lacks_2026, _read_2026),
    # On Zenodo `train_concepts.csv` with the header `ID,CUIs`; ImageCLEF has `id<TAB>CUI;CUI`, or that header.
    "rocov2": Layout("ROCOv2", _lacks_rocov2, partial(_read_from_folders, wanted=_is_per_split, header=True)),
    "imageclef": Layout(
        "one list per split",
        partial(_lacks, _is_per_split, "train_concepts.csv"),
        partial(_read_from_folders, wanted=_is_per_split, header=None),
    ),
}
