"""Curves in a real kernel: as a training calls them, and as one who watches does."""

import pytest
from kernels import displayed, kernel, printed  # noqa: F401

from nblib.widgets.live_curves import LiveCurves

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # sockets of the kernel's client

# A run that is "trained" by writing one more epoch of a history that is known, and scores after the last.
SETUP = """
from pathlib import Path
from nblib.experiments import Run, watch_run
from nblib.widgets import LiveCurves

run = Run(Path({folder!r}))
epochs = run.history.to_dict("records")

def train_one_epoch():
    done = len(run.history)
    if done < len(epochs):
        run.write_history(epochs[: done + 1])
    else:
        run.write_scores({{}})
"""
TRAIN = """
show = LiveCurves()
for done in range(len(epochs)):
    run.write_history(epochs[: done + 1])
    show(run)
run.write_scores({})
show(run)
"""
WATCH = """
curves = LiveCurves()

def show(run):
    curves.draw(run)
    train_one_epoch()

run.write_history(epochs[:1])
print(watch_run(run.folder, every=0, show=show, wait=True).finished)
"""


def test_curves_are_drawn_in_one_place_and_removed_when_the_run_is_finished(kernel, leave_run):  # noqa: F811
    run = leave_run("small", f1=(0.1, 0.3, 0.2, 0.4), scored=None)
    kernel(SETUP.format(folder=str(run.folder)))
    first, *updates = displayed(kernel(TRAIN))
    kind, data, place = first
    assert kind == "display_data" and "image/png" in data and place
    assert [("image/png" in data, kind, place) for kind, data, place in updates] == [
        (picture, "update_display_data", place) for picture in (True, True, True, False)
    ]
    assert updates[-1][1] == {"text/html": ""}


def test_a_watched_run_is_drawn_epoch_by_epoch_in_one_place_where_the_curves_stay(kernel, leave_run):  # noqa: F811
    run = leave_run("small", f1=(0.1, 0.3, 0.2, 0.4), scored=None)
    kernel(SETUP.format(folder=str(run.folder)))
    messages = kernel(WATCH)
    assert printed(messages).splitlines()[-1] == "True"
    shown = displayed(messages)
    assert [kind for kind, *_ in shown] == ["display_data"] + ["update_display_data"] * 3
    assert all("image/png" in data for _, data, _ in shown) and len({place for *_, place in shown}) == 1


def test_outside_of_a_kernel_nothing_is_drawn(leave_run, capsys):
    curves = LiveCurves()
    curves(leave_run("small", scored=None))
    assert curves.place is None and capsys.readouterr().out == ""
