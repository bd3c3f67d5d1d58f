"""Fails unless the demo's notebook 03 beats the most frequent concepts by at least 0.20 F1 on the test half."""

import sys

from nblib.experiments import find_runs
from nblib.reports import against_paper

table = against_paper(find_runs("runs/sample"))
print(table.drop(columns=["data", "differs_in"]).to_string())
baseline = table[table["experiment_name"] == "03_vgg16_flipped"]
gains = baseline["test_f1"] - baseline["baseline_f1"]
if gains.empty or gains.min() < 0.20:
    sys.exit(f"notebook 03 should beat the most frequent concepts by 0.20 F1; gains: {list(gains)}")
