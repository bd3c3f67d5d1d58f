"""Which images belong together: those of one patient, case or article, as far as the data folder says it.

A score is flattered if images of one group are in train and in validation, and its interval is too narrow if images of
one group count as independent ones. `nblib.data.duplicates` finds more relatives by their pixels.
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from nblib.data.table import Dataset
from nblib.data.text import read_text, without_suffix

ARTICLES = (re.compile(r"PMC\d+"), re.compile(r"\b10\.\d{4,9}/[^\s\",;]+"))  # an id of PubMed Central, or else a DOI


def find_groups(dataset: Dataset, file: str | Path | None = None) -> pd.Series:
    """The group of each image whose group is known, indexed by image_id; named after the file that says so.

    `file` has two columns, image_id and group. By default the first of SOURCES that the folder has is read; without
    one, or if it names no group, the result is empty.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a line of `file` or `groups.csv` has other than two columns, or puts an image into two groups; or
            `file` names no image of the data.
    """
    known = set(dataset.images["image_id"])
    sources = SOURCES if file is None else {str(file): _two_columns}
    for pattern, read in sources.items():
        found = {}
        for path in [Path(file)] if file else sorted(dataset.folder.glob(pattern)):
            for number, image_id, group in read(path, csv.reader(read_text(path).splitlines())):
                image_id = image_id if image_id in known else without_suffix(image_id)
                if image_id in known and group != found.setdefault(image_id, group):
                    raise ValueError(f"{path}:{number}: {image_id} is in group {found[image_id]!r} and in {group!r}; "
                                     f"an image has one group.")  # fmt: skip
        if found:
            return pd.Series(found, name=Path(pattern).name, dtype=object).rename_axis("image_id")
    if file:
        raise ValueError(f"{file} names no image of {dataset.folder}; expected lines image_id,group.")
    return pd.Series(name=None, dtype=object).rename_axis("image_id")


def join_groups(image_ids: Iterable[str], groups: pd.Series, pairs: pd.DataFrame | None = None) -> np.ndarray:
    """The number of the group of each image, (N,): images of one group, and near-duplicates, have the same number.

    Groups that share near-duplicates become one. An image without any relative is a group of its own.

    Args:
        image_ids: (N,), each once.
        groups: as `find_groups` returns.
        pairs: image_id and other_id of near-duplicates, as `nblib.data.near_duplicates` returns; None: unknown.
    """
    image_ids = pd.Index(image_ids)
    codes, _ = pd.factorize(groups.reindex(image_ids))  # -1 where it is not known
    known = np.flatnonzero(codes >= 0)
    first = np.full(codes.max(initial=-1) + 1, -1)
    first[codes[known][::-1]] = known[::-1]
    edges = [np.stack([known, first[codes[known]]])]
    if pairs is not None:
        ends = np.stack([image_ids.get_indexer(pairs[name]) for name in ("image_id", "other_id")])
        edges.append(ends[:, (ends >= 0).all(axis=0)])
    ends = np.concatenate(edges, axis=1)
    shape = (len(image_ids), len(image_ids))
    graph = sparse.coo_array((np.ones(ends.shape[1], bool), (ends[0], ends[1])), shape=shape)
    return sparse.csgraph.connected_components(graph, directed=False)[1]


def _two_columns(path: Path, rows: Iterator[list[str]]) -> Iterator[tuple[int, str, str]]:
    """Of each line its number, image and group; a header is a line like the others, of an image that does not exist."""
    for number, row in enumerate(rows, start=1):
        if len(row) != 2 or not all(map(str.strip, row)):
            raise ValueError(f"{path}:{number}: expected two columns, image_id,group; received {','.join(row)!r}.")
        yield number, row[0].strip(), row[1].strip()


def _articles(path: Path, rows: Iterator[list[str]]) -> Iterator[tuple[int, str, str]]:
    """The first article that each line names in any column after the image."""
    for number, (image_id, *columns) in enumerate(filter(None, rows), start=1):
        text = " ".join(columns)
        if article := next(filter(None, (form.search(text) for form in ARTICLES)), None):
            yield number, image_id.strip(), article[0]


def _cases(path: Path, rows: Iterator[list[str]]) -> Iterator[tuple[int, str, str]]:
    """`source` and case: `source_id` up to its first `_`, or all of it if that has no number, as in `PET_30071`."""
    header = next(rows, [])
    for number, fields in enumerate(rows, start=2):
        row = dict(zip(header, fields, strict=False))
        if row.get("image_id") and row.get("source_id"):
            case = row["source_id"].partition("_")[0]
            case = case if any(map(str.isdigit, case)) else row["source_id"]
            yield number, row["image_id"], f"{row.get('source', '')} {case}".strip()


Read = Callable[[Path, Iterator[list[str]]], Iterator[tuple[int, str, str]]]

# Where groups are written, below the data folder: your own file, a manifest with the origin of each image, then the
# licences of the images of ROCOv2, of the challenge of 2026, and of ROCO v1, which name the article.
SOURCES: dict[str, Read] = {
    "groups.csv": _two_columns,
    "manifest.csv": _cases,
    "license_information.csv": _articles,
    "attribution.csv": _articles,
    "data/*/radiology/licences.txt": _articles,
}
