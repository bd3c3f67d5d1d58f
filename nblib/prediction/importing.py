"""Probabilities that were predicted elsewhere, as with PyTorch, become a run: scored, with rules, in reports."""

import hashlib
import zipfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from nblib.data import CUI_FORM, ConceptVocabulary, Dataset, without_suffix
from nblib.experiments import Experiment, Run, open_run
from nblib.training import save_rules_and_concept_scores, score_halves

ARRAYS = ("image_ids", "concepts", "probabilities")
SHOWN = 5  # of the names in an error


class Predicted(NamedTuple):
    """Probabilities, (N, K) float32, of N images and K concepts."""

    image_ids: pd.Index
    concepts: pd.Index
    probabilities: np.ndarray


def import_run(files: Iterable[str | Path], experiment: Experiment) -> tuple[Run, list[str]]:
    """The run that these probabilities become, finished, and notes on what in them was not used or is missing.

    Images and concepts may be in any order, and images in several files. All images with concepts of both halves must
    be there, those of the test split all or none; images of train are not used. A concept that the files lack has
    probability 0; one that no image has is wrong wherever it is selected.

    Args:
        files: .npz with image_ids (N,), concepts (K,), CUIs, and probabilities (N, K); or .parquet with a column
            image_id and a column per CUI.
        experiment: its name, data, split, validation_half (which tunes rules; the other half is for the score), seed,
            runs, and `force`.

    Raises:
        FileNotFoundError: there is no such file, or no data.
        ValueError: a file can't be read; an image or concept is missing, unknown, or there twice; a probability is not
            from 0 to 1; the run folder holds another run.
    """
    dataset = experiment.read_data()
    predicted = _joined([(Path(file), read_predicted(file)) for file in files])
    parts = _parts(dataset, predicted)
    known = ConceptVocabulary.of(dataset.split("train", "val")["concepts"]).concepts
    notes = _notes(dataset, predicted, parts, known)
    vocabulary = ConceptVocabulary.of([predicted.concepts])
    columns = predicted.concepts.get_indexer(vocabulary.concepts)
    arrays = {name: predicted.probabilities[predicted.image_ids.get_indexer(ids)][:, columns]
              for name, ids in parts.items()}  # fmt: skip
    run = open_run(experiment.model_copy(update={"imported": _hash(vocabulary, parts, arrays)}), dataset, vocabulary)
    with run.lock():
        for name, ids in parts.items():
            run.write_probabilities(name, ids, arrays[name], dataset.test_fingerprint if name == "test" else "")
        train = dataset.split("train")
        scores = score_halves(run, dataset, train[train["concepts"].map(len) > 0])
        run.write_scores({"best_epoch": 0, "epochs": 0, "seconds": 0.0, **scores})
    save_rules_and_concept_scores(run, dataset)
    return Run(run.folder), notes


def read_predicted(file: str | Path) -> Predicted:
    """The probabilities in a file, in its order; image_ids without the suffix of an image file. Pickle is never read.

    Raises: as `import_run`.
    """
    file = Path(file)
    if not file.is_file():
        raise FileNotFoundError(f"no file {file}; expected .npz or .parquet with probabilities.")
    if file.suffix not in READERS:
        raise ValueError(f"{file}: expected a file .npz or .parquet; received {file.suffix or 'no suffix'!r}.")
    ids, concepts, probabilities = READERS[file.suffix](file)
    image_ids = pd.Index([without_suffix(str(image_id)) for image_id in ids], dtype=object)
    concepts = pd.Index([str(concept).strip() for concept in concepts], dtype=object)
    for what, names in (("image", image_ids), ("concept", concepts)):
        if twice := [name for name, count in Counter(names).items() if count > 1]:
            raise ValueError(f"{file}: {_some(what, twice)} there more than once; expected each once.")
    if wrong := [concept for concept in concepts if not CUI_FORM.fullmatch(concept)]:
        raise ValueError(f"{file}: {_some('concept', wrong)} no CUI; expected names such as C0040405.")
    if probabilities.shape != (len(image_ids), len(concepts)):
        raise ValueError(f"{file}: expected {len(image_ids):,} x {len(concepts):,} probabilities, images x concepts; "
                         f"received {' x '.join(map(str, probabilities.shape))}.")  # fmt: skip
    _check_range(file, image_ids, concepts, probabilities)
    return Predicted(image_ids, concepts, probabilities.astype(np.float32))


def _read_npz(file: Path) -> tuple[Sequence, Sequence, np.ndarray]:
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            if missing := [name for name in ARRAYS if name not in arrays]:
                raise ValueError(f"no array {' and '.join(missing)}; it has {', '.join(arrays) or 'none'}")
            return tuple(arrays[name] for name in ARRAYS)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{file} can't be read ({error}); expected arrays {', '.join(ARRAYS)}: text, text, numbers. "
                         "Write them with np.savez, and names as np.array(names, dtype=str).") from None  # fmt: skip


def _read_parquet(file: Path) -> tuple[Sequence, Sequence, np.ndarray]:
    import pyarrow as pa
    from pyarrow.parquet import read_table

    try:
        table = read_table(file).to_pandas()
        ids = table.pop("image_id")
        return ids, table.columns, table.to_numpy(dtype=np.float32)
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError) as error:
        what = "expected a column image_id and a column of numbers per CUI"
        raise ValueError(f"{file} can't be read ({error}); {what}.") from None


READERS = {".npz": _read_npz, ".parquet": _read_parquet}


def _check_range(file: Path, image_ids: pd.Index, concepts: pd.Index, probabilities: np.ndarray) -> None:
    if not np.issubdtype(probabilities.dtype, np.floating):
        raise ValueError(f"{file}: expected probabilities as floating-point numbers; received {probabilities.dtype}.")
    wrong = ~((probabilities >= 0) & (probabilities <= 1))  # NaN is wrong too
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise ValueError(
            f"{file}: {probabilities[row, column]} of {image_ids[row]}, {concepts[column]} is no probability, as are "
            f"{wrong.sum() - 1:,} others; expected numbers from 0 to 1. Apply the sigmoid to logits first."
        )


def _joined(parts: Sequence[tuple[Path, Predicted]]) -> Predicted:
    """The images of all files one below the other, with the concepts in the order of the first."""
    if not parts:
        raise ValueError("expected at least one file of probabilities; received none.")
    (first_file, first), *_ = parts
    for file, part in parts[1:]:
        if differing := sorted(set(first.concepts) ^ set(part.concepts)):
            raise ValueError(f"{file} and {first_file} are of different concepts: {_some('concept', differing)} in one "
                             "of them alone; a model predicts the same ones for all images.")  # fmt: skip
    rows = [part.probabilities[:, part.concepts.get_indexer(first.concepts)] for _, part in parts]
    ids = pd.Index(np.concatenate([part.image_ids for _, part in parts]), dtype=object)
    if twice := ids[ids.duplicated()].tolist():
        raise ValueError(f"{_some('image', twice)} in two of the files; expected each image once.")
    return Predicted(ids, first.concepts, np.concatenate(rows))


def _parts(dataset: Dataset, predicted: Predicted) -> dict[str, np.ndarray]:
    """image_ids of val1, val2 and, if they were predicted, test, in the order of the data."""
    if foreign := predicted.image_ids.difference(dataset.images["image_id"], sort=False).tolist():
        raise ValueError(f"{_some('image', foreign)} not among those of {dataset.folder}; leave them out, or name the "
                         "data that they belong to.")  # fmt: skip
    parts = {name: half[half["concepts"].map(len) > 0]["image_id"].to_numpy(str)
             for name, half in dataset.halves().items()}  # fmt: skip
    test = dataset.split("test").dropna(subset="path")["image_id"].to_numpy(str)
    if predicted.image_ids.isin(test).any():
        parts["test"] = test
    for name, ids in parts.items():
        if not len(ids):
            raise ValueError(
                f"{dataset.folder} has no image with concepts in {name}; there is nothing to compare with."
            )
        if missing := [image_id for image_id in ids if image_id not in predicted.image_ids]:
            raise ValueError(
                f"{_some('image', missing)} in {name} and not in the files; predict all {len(ids):,} of it."
            )
    return parts


def _notes(dataset: Dataset, predicted: Predicted, parts: dict[str, np.ndarray], known: Sequence[str]) -> list[str]:
    """What a user should know; raises ValueError if no concept is one of the data's."""
    unknown, lacking = sorted(set(predicted.concepts) - set(known)), sorted(set(known) - set(predicted.concepts))
    if len(unknown) == len(predicted.concepts):
        raise ValueError(f"{_some('concept', unknown)} of no image of {dataset.folder}, nor is any other; expected "
                         f"some of its {len(known):,} concepts.")  # fmt: skip
    unused = len(predicted.image_ids) - sum(map(len, parts.values()))
    return [
        note
        for number, note in (
            (unused, f"{unused:,} images not used: of train, or without concepts"),
            (len(unknown), f"{_some('concept', unknown)} of no image: wrong wherever selected"),
            (len(lacking), f"{_some('concept', lacking)} not predicted: a miss wherever true"),
            ("test" not in parts, "no test images: notebook 06 can write no submission"),
        )
        if number
    ]


def _some(what: str, names: Sequence[str]) -> str:
    """`3 images (a, b, c) are` or `image a is`, with at most SHOWN names."""
    if len(names) == 1:
        return f"{what} {names[0]} is"
    more = ", ..." if len(names) > SHOWN else ""
    return f"{len(names):,} {what}s ({', '.join(names[:SHOWN])}{more}) are"


def _hash(vocabulary: ConceptVocabulary, parts: dict[str, np.ndarray], arrays: dict[str, np.ndarray]) -> str:
    """16 hex digits of all that is imported of validation; test images may be added later."""
    digest = hashlib.sha256("\n".join(vocabulary.concepts).encode())
    for name in ("val1", "val2"):
        digest.update("\n".join(parts[name]).encode())
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()[:16]
