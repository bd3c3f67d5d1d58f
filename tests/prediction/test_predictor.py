"""Predictions of new images by finished runs, without the data they were trained on."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from nblib.data import read_dataset
from nblib.experiments import Run
from nblib.prediction import Predictor
from nblib.training import build_network, load_training_data, predict_test, train


@pytest.fixture(scope="module")
def trained(sample, tmp_path_factory, one_epoch) -> Run:
    """A run of one epoch on a copy of the sample that is deleted after its test images were predicted."""
