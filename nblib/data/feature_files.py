"""Features of images in files, to be brought from elsewhere (another backbone, PyTorch) or taken there."""

import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow.parquet import read_table

from nblib.data.text import without_suffix
from nblib.system import replacing

ARRAYS = ("image_ids", "features")


def write_features(path: str | Path, image_ids: np.ndarray, features: np.ndarray) -> Path:
    """Writes image_ids, (N,), and their features, (N, D), all or nothing, as .npz: the path."""
    with replacing(path) as beside, beside.open("wb") as file:
        np.savez(file, image_ids=np.asarray(image_ids, dtype=str), features=np.asarray(features, np.float32))
    return Path(path)


def read_features_of(path: str | Path, image_ids: Iterable[str]) -> np.ndarray:
    """Features of these images, (N, D) float32, in their order; those of others in the file are not used.

    Args:
        path: .npz with image_ids (M,) and features (M, D); or .parquet with a column image_id and columns of numbers.
            Suffixes of image_ids such as .jpg do not matter. Pickle is never read.
        image_ids: (N,).

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it can't be read, lacks an image or has it twice, or a number is not finite.
    """
    path, wanted = Path(path), pd.Index(image_ids)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}; expected features as .npz or .parquet.")
    if path.suffix not in READERS:
        raise ValueError(f"{path}: expected a file .npz or .parquet; received {path.suffix or 'no suffix'!r}.")
    names, features = READERS[path.suffix](path)
    known = pd.Index([without_suffix(str(name)) for name in names])
    if features.ndim != 2 or len(features) != len(known):
        raise ValueError(f"{path}: expected features of {len(known):,} images, one row each; received an array of "
                         f"shape {features.shape}.")  # fmt: skip
    if len(twice := known[known.duplicated()]):
        raise ValueError(f"{path} has {len(twice):,} images more than once, such as {twice[0]}; expected each once.")
    rows = known.get_indexer(wanted)
    if len(lacking := wanted[rows < 0]):
        raise ValueError(f"{path} lacks {len(lacking):,} of {len(wanted):,} images, such as {lacking[0]}; expected "
                         f"features of all images of train, validation and test.")  # fmt: skip
    features = features[rows].astype(np.float32)
    if not np.isfinite(features).all():
        image_id = wanted[~np.isfinite(features).all(axis=1)][0]
        raise ValueError(f"{path}: a feature of {image_id} is not finite; extract the features again.")
    return features


def _read_npz(path: Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            names, features = (arrays[name] for name in ARRAYS)
            return names, features.astype(np.float32, casting="same_kind")
    except (ValueError, KeyError, OSError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} can't be read ({error}); expected arrays {' and '.join(ARRAYS)}: text, and floating-"
                         f"point numbers.") from None  # fmt: skip


def _read_parquet(path: Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        table = read_table(path).to_pandas()
        return table.pop("image_id").to_numpy(), table.to_numpy(np.float32)
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError) as error:
        raise ValueError(f"{path} can't be read ({error}); expected image_id and columns of numbers.") from None


READERS = {".npz": _read_npz, ".parquet": _read_parquet}
