"""A folder of images and concept lists -> one tidy table (image_id, path, split, category, concepts).

Two layouts are recognised. In the 2020 task's, the images of train and validation lie in one folder a category and
each category has a list of its own, `DRCT_CLEF_Train.csv`; in that of other years each split has one folder and one
list, `train_concepts.csv`. Paper: section 3.1; PAPER_NOTES "Files of the 2020 task".
"""

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from nblib.paper import CATEGORIES

SPLITS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev", "development"),
    "test": ("test", "testing"),
}
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png"}
LIST_SUFFIXES = {".csv", ".txt", ".tsv"}
NAMES_FILE = "string_concepts.csv"

# How data that were drawn are called wherever they are shown; the sample's README.txt begins with the word.
SYNTHETIC_MARK = "synthetic phantoms"
CUI_FORM = re.compile(r"C\d{7}")

# val1 and val2 are the same for every run of every experiment, so this seed is nobody's parameter.
VALIDATION_SPLIT_SEED = 2020


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a data set: where, what, what to do; `serious` if training would be wrong."""

    where: str
    what: str
    serious: bool = True

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(frozen=True)
class Dataset:
    """What a data folder holds.

    Attributes:
        folder: where it lies.
        layout: how it is laid out, in words.
        images: one row an image: image_id (no extension), path, split (train, val, test), category (of Table 5, or
            None where it is not known), concepts (tuple of CUIs, empty for the test split).
        names: CUI -> UMLS term, empty where the folder has no `string_concepts.csv`.
        problems: what is wrong with it, serious or not.
    """

    folder: Path
    layout: str
    images: pd.DataFrame
    names: dict[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def split(self, *names: str) -> pd.DataFrame:
        """The images of these splits, numbered from 0."""
        return self.images[self.images["split"].isin(names)].reset_index(drop=True)

    def name_of(self, concept: str) -> str:
        """The concept's UMLS term, or the CUI itself where there is none."""
        return self.names.get(concept, concept)

    @property
    def title(self) -> str:
        """How figures and reports call the data: the folder's name, or "synthetic phantoms" for a drawn sample."""
        note = self.folder / "README.txt"
        drawn = note.is_file() and note.read_text(encoding="utf-8", errors="replace").upper().startswith("SYNTHETIC")
        return SYNTHETIC_MARK if drawn else self.folder.resolve().name

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits that change whenever an image, a split, a category or a concept does (pixels: file sizes)."""
        rows = self.images.sort_values(["split", "image_id"])
        digest = hashlib.sha256()
        for row in rows.itertuples(index=False):
            size = row.path.stat().st_size if row.path else 0
            digest.update(f"{row.image_id}|{row.split}|{row.category}|{size}|{','.join(row.concepts)}\n".encode())
        return digest.hexdigest()[:16]


def read_dataset(folder: str | Path) -> Dataset:
    """The data set in `folder`, fit for training.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: something is seriously wrong; all of it is listed (the first 20, then a count).
    """
    dataset = inspect_dataset(folder)
    serious = [problem for problem in dataset.problems if problem.serious]
    if serious:
        raise ValueError(f"{folder} is not fit for training:\n{listing(serious)}")
    return dataset


def inspect_dataset(folder: str | Path) -> Dataset:
    """The data set in `folder` with everything that is wrong with it; raises FileNotFoundError only."""
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(
            f"no data folder at {folder}. Expected images in train/, val/ and test/ with concept lists beside them; "
            f"`nblib sample {folder}` draws a synthetic sample there."
        )
    images, problems = _find_images(folder)
    lists = _find_lists(folder)
    listed, list_problems = _read_lists(lists, folder)
    table, match_problems = _match(images, listed)
    match_problems += _split_problems(table, folder)
    names, name_problems = _find_names(folder)
    layout = "ImageCLEF 2020 (one list a category)" if lists and lists[0].category else "one list a split"
    return Dataset(folder, layout, table, names, (*problems, *list_problems, *match_problems, *name_problems))


def validation_halves(images: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """val1 and val2: the validation images split at random into equal halves, the same ones every time.

    With an odd number val1 gets one more. Paper: section 3.3; the seed of the split is ours.
    """
    validation = images[images["split"] == "val"].sort_values("image_id").reset_index(drop=True)
    order = np.random.default_rng(VALIDATION_SPLIT_SEED).permutation(len(validation))
    middle = (len(validation) + 1) // 2
    return {
        "val1": validation.iloc[np.sort(order[:middle])].reset_index(drop=True),
        "val2": validation.iloc[np.sort(order[middle:])].reset_index(drop=True),
    }


def count_images(images: pd.DataFrame) -> pd.DataFrame:
    """Images by split (rows) and category (columns) with totals. Paper: Table 1."""
    category = pd.Categorical(images["category"].fillna("unknown"), [*CATEGORIES, "unknown"])
    table = pd.crosstab(images["split"], category, dropna=False)
    table = table.loc[:, (table > 0).any() | table.columns.isin(list(CATEGORIES))]
    splits = [split for split in SPLITS if split in table.index]
    return table.loc[splits].assign(total=table.sum(axis=1)).rename_axis(columns=None)


def listing(problems: list[Problem], longest: int = 20) -> str:
    """The problems as text, one a line: the first `longest`, then how many more there are."""
    lines = [f"- {problem}" for problem in problems[:longest]]
    if len(problems) > longest:
        lines.append(f"- and {len(problems) - longest:,} more")
    return "\n".join(lines)


def read_names(path: str | Path) -> dict[str, str]:
    """CUI -> name, from a file of lines `CUI<TAB>name`.

    Raises:
        ValueError: the file is not UTF-8 text.
    """
    pairs = (line.split("\t", 1) for line in _read_text(path).splitlines() if "\t" in line)
    return {cui.strip(): name.strip() for cui, name in pairs}


def read_concept_lines(path: str | Path, keep_suffix: bool = False) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    """Line number, image_id (without extension, unless kept) and concepts of each line of a concept list or submission.

    Takes the form of every year: fields parted by tab, comma, semicolon or `|`, with or without a header `ID,CUIs`.

    Raises:
        ValueError: the file is not UTF-8 text.
    """
    for number, line in enumerate(_read_text(path).splitlines(), start=1):
        first, *fields = (part.strip() for part in re.split(r"[\t,;|]", line))
        if number == 1 and fields and fields[0].casefold() in {"cuis", "cui", "concepts"}:
            continue
        if first or any(fields):
            yield number, first if keep_suffix else without_suffix(first), tuple(filter(None, fields))


def reading_problem(path: Path, error: ValueError, serious: bool = True) -> Problem:
    """The error of reading `path` as a problem of that file."""
    return Problem(str(path), str(error).removeprefix(f"{path}: "), serious)


def without_suffix(name: str) -> str:
    """The file name without its image extension: `ROCO2_CLEF_76012.jpg` -> `ROCO2_CLEF_76012`."""
    stem, suffix = os.path.splitext(name)  # noqa: PTH122 - a name from a list, not a path
    return stem if suffix.lower() in IMAGE_SUFFIXES else name


@dataclass(frozen=True)
class _List:
    path: Path
    split: str
    category: str | None


def _read_text(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8 and try again.") from None


def _split_named(*words: str) -> str | None:
    """The split that one of the words names, looking at whole words: `DRCT_CLEF_Train` -> `train`."""
    tokens = {token for word in words for token in re.split(r"[^a-z]+", word.lower())}
    return next((split for split, names in SPLITS.items() if tokens & set(names)), None)


def _find_images(folder: Path) -> tuple[pd.DataFrame, list[Problem]]:
    rows, problems = [], []
    for split_folder in sorted(path for path in folder.iterdir() if path.is_dir()):
        split = next((name for name, names in SPLITS.items() if split_folder.name.lower() in names), None)
        if split is None:
            continue
        for path in sorted(split_folder.rglob("*")):
            if path.suffix.lower() not in IMAGE_SUFFIXES or not path.is_file():
                continue
            if not path.resolve().is_relative_to(folder.resolve()):
                problems.append(Problem(str(path), "a link that leaves the data folder; copy the image into it."))
                continue
            category = path.parent.name if path.parent.name in CATEGORIES else None
            rows.append((path.stem, path, split, category))
    if not rows:
        problems.append(Problem(str(folder), "no images; expected .jpg or .png files in train/, val/ and test/."))
    return pd.DataFrame(rows, columns=["image_id", "path", "split", "category"]), problems


def _find_lists(folder: Path) -> list[_List]:
    """The concept lists of train and validation; those by category win where both kinds are there."""
    by_category, by_split = [], []
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in LIST_SUFFIXES):
        inside = path.relative_to(folder)
        split = _split_named(inside.stem) or _split_named(*inside.parts[:-1])
        category = next((name for name in CATEGORIES if path.stem.startswith(name)), None)
        if split not in ("train", "val"):
            continue
        if category:
            by_category.append(_List(path, split, category))
        elif "concept" in path.stem.lower() and not path.stem.lower().endswith("manual"):
            by_split.append(_List(path, split, None))
    return by_category or by_split


def _find_names(folder: Path) -> tuple[dict[str, str], list[Problem]]:
    path = folder / NAMES_FILE
    try:
        return (read_names(path) if path.is_file() else {}), []
    except ValueError as error:
        return {}, [reading_problem(path, error, serious=False)]


def _read_lists(lists: list[_List], folder: Path) -> tuple[pd.DataFrame, list[Problem]]:
    rows, problems = [], []
    if not lists:
        expected = "DRCT_CLEF_Train.csv (one a category) or train_concepts.csv"
        problems.append(Problem(str(folder), f"no concept lists; expected files like {expected}."))
    for concept_list in lists:
        try:
            lines = list(read_concept_lines(concept_list.path))
        except ValueError as error:
            problems.append(reading_problem(concept_list.path, error))
            continue
        if not lines:
            problems.append(Problem(str(concept_list.path), "the list is empty; expected lines `image,CUI,CUI`."))
        for number, image_id, concepts in lines:
            where = f"{concept_list.path}:{number}"
            problems.extend(_line_problems(where, image_id, concepts))
            unique = tuple(dict.fromkeys(concepts))
            rows.append((image_id, concept_list.split, concept_list.category, unique, where))
    return pd.DataFrame(rows, columns=["image_id", "split", "category", "concepts", "where"]), problems


def _line_problems(where: str, image_id: str, concepts: tuple[str, ...]) -> Iterator[Problem]:
    if not image_id or "/" in image_id or "\\" in image_id or ".." in image_id:
        yield Problem(where, f"{image_id!r} is no image name; expected a file name without folders.")
    for concept in concepts:
        if not CUI_FORM.fullmatch(concept):
            yield Problem(where, f"{concept!r} is not a CUI; expected C and seven digits, like C0040405.")
    if len(set(concepts)) < len(concepts):
        twice = sorted({concept for concept in concepts if concepts.count(concept) > 1})
        yield Problem(where, f"{', '.join(twice)} stands there more than once; counted once.", serious=False)
    if not concepts:
        yield Problem(where, f"{image_id} has no concept; it is left out of training and of the score.", serious=False)


def _split_problems(table: pd.DataFrame, folder: Path) -> Iterator[Problem]:
    labelled = set(table.loc[table["concepts"].map(len) > 0, "split"])
    for split in sorted({"train", "val"} - labelled):
        yield Problem(str(folder), f"no image with concepts in {split}; training needs train and val.")


def _match(images: pd.DataFrame, listed: pd.DataFrame) -> tuple[pd.DataFrame, list[Problem]]:
    """The tidy table: labelled images with their concepts, then the test images; and what does not match."""
    problems = [
        Problem(str(row.path), f"a second image named {row.image_id}; names must be unique over all splits.")
        for row in images[images["image_id"].duplicated()].itertuples()
    ]
    problems += [
        Problem(row.where, f"{row.image_id} was listed before; keep one of the two lines.")
        for row in listed[listed["image_id"].duplicated()].itertuples()
    ]
    images = images.drop_duplicates("image_id").set_index("image_id")
    listed = listed.drop_duplicates("image_id").set_index("image_id")

    labelled = listed.join(images[["path", "split"]].rename(columns={"split": "split_of_folder"}))
    missing = labelled["path"].isna()
    elsewhere = ~missing & (labelled["split"] != labelled["split_of_folder"])
    problems += [
        Problem(row.where, f"{row.Index} is in the {row.split} list, its image in the {row.split_of_folder} folder.")
        for row in labelled[elsewhere].itertuples()
    ]
    problems += [
        Problem(row.where, f"{row.Index} is listed, but there is no such image.")
        for row in labelled[missing].itertuples()
    ]
    unlisted = images[(images["split"] != "test") & ~images.index.isin(listed.index)]
    problems += [
        Problem(str(row.path), "the image is in no concept list; it is left out.", serious=False)
        for row in unlisted.itertuples()
    ]
    labelled["path"] = labelled["path"].astype(object).where(~missing, None)
    test = images[images["split"] == "test"].assign(concepts=lambda table: [()] * len(table))
    columns = ["path", "split", "category", "concepts"]
    table = pd.concat([labelled[columns], test[columns]]).reset_index()
    table["category"] = table["category"].astype(object).where(table["category"].notna(), None)
    return table, problems
