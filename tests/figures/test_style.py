"""What all figures share."""

import subprocess
import sys

import matplotlib.pyplot as plt
import pandas as pd
import pytest
import seaborn as sns
from matplotlib.colors import to_rgb

from nblib import figures

A, B, C = "C0000001", "C0000002", "C0000003"
NAMES = {A: "Thorax", B: "A term that is far longer than what can stand beside a row of a figure"}


def name_of(concept):
    return NAMES.get(concept, concept)


def test_a_label_is_the_term_shortened_and_the_cui():
    assert figures.concept_label(A, name_of) == f"Thorax  {A}"
    assert figures.concept_label(B, name_of, longest=10) == f"A term th…  {B}"
    assert figures.concept_label(C, name_of) == C


def test_the_first_colours_are_distinguishable_for_the_colour_blind():
    figures.use_style()
    first = [to_rgb(colour) for colour in plt.rcParams["axes.prop_cycle"].by_key()["color"][:2]]
    assert first == [
        pytest.approx((1 / 255, 115 / 255, 178 / 255), abs=0.01),
        pytest.approx((222 / 255, 143 / 255, 5 / 255), abs=0.01),
    ]


def test_rows_are_taken_evenly_from_first_to_last():
    images = pd.DataFrame({"image_id": list("abcdefghi")})
    assert figures.evenly(images, 3)["image_id"].tolist() == ["a", "e", "i"]


def test_the_style_is_seaborns_whitegrid_without_seaborn():
    with plt.rc_context():
        plt.rcdefaults()
        figures.use_style()
        ours = dict(plt.rcParams)
    with plt.rc_context():
        plt.rcdefaults()
        sns.set_theme(context="notebook", style="whitegrid", palette="colorblind", rc={"figure.dpi": 90})
        theirs = dict(plt.rcParams)
    for settings in (ours, theirs):
        settings["axes.prop_cycle"] = [to_rgb(colour) for colour in settings["axes.prop_cycle"].by_key()["color"]]
        settings["patch.edgecolor"] = to_rgb(settings["patch.edgecolor"])
    assert ours.pop("axes.prop_cycle") == [pytest.approx(colour, abs=1e-9) for colour in theirs.pop("axes.prop_cycle")]
    differing = {name for name in ours if ours[name] != theirs[name]}
    assert differing <= {"image.cmap", "patch.facecolor", "backend", "backend_fallback"}


def test_figures_are_imported_without_seaborn_and_scikit_learn():
    program = "import sys, nblib.figures; print(' '.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "matplotlib.pyplot" in loaded and not {"seaborn", "sklearn", "scipy.stats", "scipy.optimize"} & set(loaded)
