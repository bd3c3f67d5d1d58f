import numpy as np
import pandas as pd
import pytest

from nblib.data.feature_files import read_features_of, write_features

IDS = ["A", "B", "C"]
FEATURES = np.arange(6, dtype=np.float32).reshape(3, 2)


def test_features_come_back_in_the_order_that_is_asked_for(tmp_path):
    path = write_features(tmp_path / "features.npz", np.array(IDS), FEATURES)
    np.testing.assert_array_equal(read_features_of(path, ["C", "A"]), FEATURES[[2, 0]])
    pd.DataFrame(FEATURES, columns=["x", "y"]).assign(image_id=["A.jpg", "B.jpg", "C.jpg"]).to_parquet(
        tmp_path / "features.parquet"
    )
    np.testing.assert_array_equal(read_features_of(tmp_path / "features.parquet", ["B", "C"]), FEATURES[1:])


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"image_ids": IDS}, "can't be read .*expected arrays image_ids and features"),
        (
            {"image_ids": IDS, "features": FEATURES[:2]},
            r"of 3 images, one row each; received an array of shape \(2, 2\)",
        ),
        ({"image_ids": IDS, "features": FEATURES[0]}, "one row each"),
        ({"image_ids": [*IDS[:2], "A"], "features": FEATURES}, "has 1 images more than once, such as A"),
        ({"image_ids": IDS[:2], "features": FEATURES[:2]}, "lacks 1 of 3 images, such as C"),
        ({"image_ids": IDS, "features": FEATURES * [np.nan, 1]}, "a feature of A is not finite"),
        ({"image_ids": IDS, "features": FEATURES.astype(str)}, "can't be read"),
        ({"image_ids": np.array(IDS, object), "features": FEATURES}, "can't be read .*allow_pickle=False"),
    ],
)
def test_a_file_that_can_not_be_meant_is_refused(arrays, sentence, tmp_path):
    np.savez(tmp_path / "features.npz", **arrays)
    with pytest.raises(ValueError, match=sentence):
        read_features_of(tmp_path / "features.npz", IDS)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file"):
        read_features_of(tmp_path / "features.npz", IDS)
    for name in ("features.npz", "features.parquet", "features.npy"):
        (tmp_path / name).write_bytes(b"PK\x03\x04 cut short")
        with pytest.raises(ValueError, match=r"can't be read|expected a file \.npz or \.parquet"):
            read_features_of(tmp_path / name, IDS)
