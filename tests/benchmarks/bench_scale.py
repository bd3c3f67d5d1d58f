"""Real size, 116,604 images x 2,646 concepts: PYTHONPATH=tests python tests/benchmarks/bench_scale.py

Prints a row per step: seconds at 5,000 and at 116,604 images, how many times longer the larger one takes (23.3 is
linear, less is due to what every start costs), the peak memory of its largest process, and the usual way where there is
one, timed on a part and extrapolated. Each step runs in a process of its own, on generated data (scale_data.py), with
all halves of images that it needs: rules are tuned on one half of all images and reported on the other. What a step is
given, such as probabilities, is made before its time counts, but is part of its memory.
"""

import json
import os
import re
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import psutil
from PIL import Image
from scale_data import clustered_features, labelled_images, probabilities, write_data, write_run
from scipy.stats import bootstrap
from sklearn.metrics import f1_score
from sklearn.neighbors import NearestNeighbors

from nblib.evaluation import THRESHOLDS, compare_f1, compare_rules

SIZES = (5_000, 116_604)
RUNS, OF_NOTEBOOK_07 = 10, 3
NEIGHBOURS = 100
NOTEBOOKS = {
    "01": ("01_data_analysis", "data", "data"),
    "02": ("02_encoding", "data", "data"),
    "06": ("06_submission", "run", "runs/run_0/val1"),
    "07": ("07_results", "runs", "runs"),
}
NOTEBOOK_FOLDER = Path(__file__).parents[2] / "notebooks"


def peak(process="self"):
    """The peak memory of a process, MB; 0 where it has ended."""
    try:
        return int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{process}/status").read_text())[1]) / 1024
    except (OSError, TypeError):
        return 0


def run_command(*words):
    """Seconds of a command, and the peak memory of the largest of its processes, MB."""
    began, most = time.perf_counter(), 0
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
        tree = psutil.Process(running.pid)
        while running.poll() is None:
            with suppress(psutil.Error):
                most = max([most, *(peak(each.pid) for each in [tree, *tree.children(recursive=True)])])
            time.sleep(0.05)
        if running.returncode:
            raise RuntimeError(f"{' '.join(words)} failed:\n{running.stdout.read()}")
    return time.perf_counter() - began, most


def halves(images):
    """Two halves of so many images, with the probabilities of a network."""
    labelled = labelled_images(images)
    for first in (0, 1):
        half = labelled.take(np.arange(first, images, 2))
        predicted = probabilities(clustered_features(half.labels, first), len(half.vocabulary))
        yield replace(half, probabilities=predicted)


def rules(images):
    return partial(compare_rules, *halves(images))


def usual_rules(images):
    """scikit-learn's F1 at one of the 1,023 thresholds, of one half."""
    half, _ = halves(images)
    labels = half.labels.toarray()
    return (lambda: f1_score(labels, half.probabilities > 0.5, average="samples", zero_division=0)), len(THRESHOLDS)


def searched(images, part):
    """Features of all images, and of the last fifth of them; of these every `part`-th."""
    labelled = labelled_images(images)
    features = clustered_features(labelled.labels)
    return replace(labelled, features=features), features[-images // 5 :: part]


def neighbours(images):
    from nblib.ensembles.neighbours import Index  # brings TensorFlow, whose memory is no other step's

    examples, queries = searched(images, 1)
    return lambda: Index(examples).neighbours(queries, NEIGHBOURS)


def usual_neighbours(images):
    """scikit-learn's brute force, for a twentieth of the images."""
    examples, queries = searched(images, 20)
    brute = NearestNeighbors(n_neighbors=NEIGHBOURS, metric="cosine", algorithm="brute").fit(examples.features)
    return (lambda: brute.kneighbors(queries)), 20


def f1_of_runs(images):
    return {f"run {run}": np.random.default_rng(run).beta(2, 2 + run / 9, images) for run in range(RUNS)}


def intervals(images):
    return partial(compare_f1, f1_of_runs(images))


def intervals_by_groups(images):
    groups = np.random.default_rng(0).integers(images // 3, size=images)
    return partial(compare_f1, f1_of_runs(images), groups=groups)


def usual_intervals(images):
    """SciPy's bootstrap of one of the runs, a tenth of its resamples."""
    options = dict(n_resamples=1_000, method="percentile", batch=20, rng=0)
    return (lambda: bootstrap((f1_of_runs(images)["run 0"],), np.mean, **options)), RUNS * 10


def usual_check(data):
    """The list with pandas, each header with Pillow; nothing is checked."""
    pd.read_csv(data / "concepts.csv").set_index("ID")["CUIs"].str.split(";")
    for path in (data / "images").iterdir():
        with Image.open(path) as image:
            _ = image.size


# What it is, the step, and the usual way; a step is a function of the number of images that prepares what is measured.
STEPS = {
    "rules": ("best of six rules, tuned and reported", rules, usual_rules),
    "neighbours": ("100 neighbours of each validation image", neighbours, usual_neighbours),
    "intervals": ("95 % intervals of ten runs, 10,000 resamples", intervals, usual_intervals),
    "groups": ("the same over groups of images", intervals_by_groups, None),
}


def measured(work):
    """Seconds of a function and the peak memory of this process meanwhile, MB."""
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
    began = time.perf_counter()
    work()
    return time.perf_counter() - began, peak()


def measure(name, images, usual):
    """Of a step or, where so asked, of its usual way: seconds and MB."""
    prepared = STEPS[name][1 + usual](images)
    work, parts = prepared if usual else (prepared, 1)
    seconds, megabytes = measured(work)
    return seconds * parts, megabytes


def in_a_fresh_process(*arguments):
    done = subprocess.run([sys.executable, __file__, *map(str, arguments)], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def main():
    with TemporaryDirectory() as folder:
        rows = [row for images in SIZES for row in all_steps(Path(folder) / str(images), images)]
    table = pd.DataFrame(rows, columns=["what", "images", "seconds", "MB", "usual"])
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(as_markdown(table.pivot(index="what", columns="images").reindex(dict.fromkeys(table["what"]))))


def all_steps(folder, images):
    """(what, images, seconds, MB, seconds of the usual way) of each step."""
    write_data(folder / "data", images)
    for number in range(OF_NOTEBOOK_07):
        write_run(folder / "data", folder / "runs", f"run_{number}", number)
    os.sync()
    usual, _ = measured(partial(usual_check, folder / "data"))
    checked = run_command(sys.executable, "-m", "nblib", "check", "--headers", str(folder / "data"))
    yield "nblib check --headers", images, *checked, usual
    for number, (notebook, parameter, value) in NOTEBOOKS.items():
        executed = folder / f"{number}.ipynb"
        words = [NOTEBOOK_FOLDER / f"{notebook}.ipynb", executed, "-p", parameter, folder / value]
        taken = run_command(sys.executable, "-m", "papermill", *map(str, words))
        print(
            f"notebook {number} of {images:,} images is stored as {executed.stat().st_size / 2**20:.1f} MB", flush=True
        )
        yield f"notebook {number}", images, *taken, np.nan
    for name, (what, _, usual) in STEPS.items():
        of_usual = in_a_fresh_process(name, images, 1)[0] if usual else np.nan
        yield what, images, *in_a_fresh_process(name, images, 0), of_usual


def as_markdown(table):
    small, large = SIZES
    lines = [f"| what | {small:,} | {large:,} | times | memory | the usual way |", "|---" * 6 + "|"]
    for what, row in table.iterrows():
        seconds, usual = row["seconds"], row["usual", large]
        cells = [f"{seconds[small]:.2f} s", f"{seconds[large]:.1f} s", f"{seconds[large] / seconds[small]:.1f}"]
        cells += [f"{row['MB', large] / 1024:.1f} GB", "" if np.isnan(usual) else f"{usual:,.0f} s"]
        lines.append(f"| {what} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    if len(sys.argv) == 4:
        print(json.dumps(measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
    else:
        main()
