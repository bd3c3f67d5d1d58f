"""The files of a run folder, validated where they are read: a damaged one is a ValueError of one sentence."""

import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from nblib.data import ConceptVocabulary, Dataset

# Bytes that no whole file reaches; a larger one is not read.
LARGEST = {
    "experiment.json": 2**16,
    "scores.json": 2**16,
    "history.csv": 2**22,
    "vocabulary.txt": 2**24,
    "concepts.csv": 2**26,
    "concept_scores.csv": 2**26,
    "category_scores.csv": 2**20,
}

TRAIN_ANEW = "move its folder away, or archive it with force=True, and train again"
REPEAT = "execute the notebook that trains the run again"
ADVICE = {
    "experiment.json": TRAIN_ANEW,
    "vocabulary.txt": TRAIN_ANEW,
    "concepts.csv": "remove it; predictions are then without the names of concepts",
    "concept_scores.csv": f"remove it, and {REPEAT}: it writes it again, without training",
    "category_scores.csv": f"remove it, and {REPEAT}: it writes it again, without training",
    "history.csv": f"{REPEAT}: it resumes an unfinished run; archive a finished one with force=True",
    "state.npz": "without it the training starts anew",
    "best.weights.h5": "train the run again; a finished one is archived by force=True",
    "scores.json": f"{REPEAT}: it scores a finished run again, without training",
    "val1.npz": f"{REPEAT}: it predicts with the best weights of a finished run again, without training",
    "val2.npz": f"{REPEAT}: it predicts with the best weights of a finished run again, without training",
    "test.npz": "execute notebook 06 on the run: it predicts the test images again",
}

F1 = Annotated[float, Field(ge=0, le=1)]


class Facts(BaseModel):
    """experiment.json."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False, extra="allow")

    experiment: dict[str, Any]
    identity: str
    data: str
    data_fingerprint: str
    provenance: dict[str, str | float | None]


class _AllOrNone(BaseModel):
    """Numbers, all finite; those in `together` are all there, or none is."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)

    @classmethod
    def together(cls) -> tuple[str, ...]:
        """Names of fields: those with None for their default."""
        return tuple(name for name, field in cls.model_fields.items() if field.default is None)

    @model_validator(mode="after")
    def _all_or_none(self) -> "_AllOrNone":
        absent = [name for name in self.together() if getattr(self, name) is None]
        if 0 < len(absent) < len(self.together()):
            raise ValueError(f"{' and '.join(absent)} missing")
        return self


class Scores(_AllOrNone):
    """scores.json; a run trained on all images has no figure of a half."""

    __pydantic_extra__: dict[str, Any]

    epochs: int = Field(ge=0)  # 0 where probabilities were imported
    seconds: float = Field(ge=0)
    best_epoch: int | None = Field(None, ge=0)
    validation_f1: F1 | None = None
    test_f1: F1 | None = None
    baseline_f1: F1 | None = None
    test_f1_interval: tuple[F1, F1] = ()  # an older run has none


class Epoch(_AllOrNone):
    """A row of history.csv; further columns are numbers too. A run trained on all images has none of validation."""

    __pydantic_extra__: dict[str, float]

    epoch: int = Field(ge=1)
    loss: float
    f1: F1
    learning_rate: float = Field(ge=0)
    seconds: float = Field(ge=0)
    val_loss: float | None = None
    val_f1: F1 | None = None


EPOCHS = TypeAdapter(list[Epoch])


@contextmanager
def naming_damage(path: Path) -> Iterator[None]:
    """Turns any error of the block, which reads the file, into a sentence that names the file and what to do.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file can't be read, or holds something else than it should.
    """
    if not path.exists():
        raise FileNotFoundError(f"no file {path}; {REPEAT}.")
    try:
        if not path.is_file():
            raise ValueError("not a file")  # to read a pipe would wait for ever
        yield
    except Exception as error:  # of a dozen kinds: those of zipfile, zlib, h5py, NumPy, pydantic, ...
        advice = ADVICE.get(path.name, REPEAT)
        raise ValueError(f"{path} is damaged ({_reason(error)}): {advice}.") from None


def read_facts(path: Path) -> dict[str, Any]:
    """Content of experiment.json."""
    with naming_damage(path):
        return Facts.model_validate_json(_read(path)).model_dump()


def read_scores(path: Path) -> dict[str, Any]:
    """Content of scores.json."""
    with naming_damage(path):
        return Scores.model_validate_json(_read(path), strict=True).model_dump(exclude_unset=True)


def read_history(path: Path) -> pd.DataFrame:
    """Content of history.csv, one row per epoch, from 1 without a gap."""
    with naming_damage(path):
        columns, *lines = [line.split(",") for line in _read(path).decode().splitlines()] or [[]]
        for number, line in enumerate(lines, 2):
            if len(line) != len(columns):
                raise ValueError(f"line {number} has {len(line)} columns, not {len(columns)}")
        rows = EPOCHS.validate_python([dict(zip(columns, line, strict=True)) for line in lines])
        if not rows or [row.epoch for row in rows] != list(range(1, len(rows) + 1)):
            raise ValueError("its epochs are not 1, 2, 3, ...")
        return pd.DataFrame([row.model_dump() for row in rows])[columns]


def read_vocabulary(path: Path) -> ConceptVocabulary:
    """Content of vocabulary.txt."""
    with naming_damage(path):
        vocabulary = ConceptVocabulary(tuple(_read(path).decode().split()))
        if not len(vocabulary):
            raise ValueError("empty")
        return vocabulary


def concept_table(dataset: Dataset, vocabulary: ConceptVocabulary) -> pd.DataFrame:
    """What concepts.csv says of each concept: its name, where it is known, and in how many images of train it is."""
    images = Counter(chain.from_iterable(dataset.split("train")["concepts"]))
    rows = {concept: (dataset.names.get(concept, ""), images[concept]) for concept in vocabulary.concepts}
    return pd.DataFrame.from_dict(rows, "index", columns=["name", "images"]).rename_axis("concept")


def read_concepts(path: Path) -> pd.DataFrame:
    """The table of concepts.csv; without rows where there is no such file, as in runs of older versions."""
    return _read_table(path, {"concept": str, "name": str, "images": int}, keep_default_na=False)


def read_concept_scores(path: Path) -> pd.DataFrame:
    """The table of concept_scores.csv; without rows where there is no such file."""
    counts, rates = dict.fromkeys(("true", "right", "wrong"), int), ("precision", "recall", "f1", "predicted")
    return _read_table(path, {"concept": str, **counts, **dict.fromkeys(rates, float)})


def read_category_scores(path: Path) -> pd.DataFrame:
    """The table of category_scores.csv; without rows where there is no such file."""
    return _read_table(path, {"category": str, "images": int, **dict.fromkeys(("f1", "low", "high"), float)})


def _read_table(path: Path, columns: dict[str, type], **options) -> pd.DataFrame:
    """These columns of a CSV file, indexed by the first; without rows where there is no such file."""
    if not path.is_file():
        return pd.DataFrame(columns=list(columns)).set_index(next(iter(columns)))
    with naming_damage(path), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy's, before pandas refuses a count such as inf
        table = pd.read_csv(BytesIO(_read(path)), usecols=list(columns), dtype=columns, **options)
        return table[list(columns)].set_index(next(iter(columns)))


def read_probabilities(path: Path, sigmoids: int) -> tuple[np.ndarray, np.ndarray]:
    """image_ids, (N,), and probabilities, (N, sigmoids) float32, of a file in probabilities/."""
    arrays = read_arrays(path)
    with naming_damage(path):
        image_ids, probabilities = arrays["image_ids"], arrays["probabilities"]
        expected = (len(image_ids), sigmoids)
        if probabilities.shape != expected:
            raise ValueError(f"expected {expected} probabilities, received {probabilities.shape}")
        if probabilities.size and not (probabilities.min() >= 0 and probabilities.max() <= 1):
            raise ValueError("some probabilities are not from 0 to 1")
        return image_ids, probabilities


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an .npz file, by name."""
    with naming_damage(path), path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return dict(arrays)


def _read(path: Path) -> bytes:
    if (size := path.stat().st_size) > LARGEST[path.name]:
        raise ValueError(f"{size:,} bytes, more than any whole one has")
    return path.read_bytes()


def _reason(error: Exception) -> str:
    """The reason in at most 200 characters of one line; of several, the first."""
    text = str(error)
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        where = [f"line {part + 2}" if isinstance(part, int) else part for part in first["loc"]]
        received = f", received {first['input']!r}" if isinstance(first["input"], str | int | float) else ""
        text = f"{', '.join(where)}: {first['msg']}{received}" if where else first["msg"]
    return " ".join(text.split())[:200] or type(error).__name__
