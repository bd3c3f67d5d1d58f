"""A run looked at while it is trained: in real kernels, and from other processes than the one that trains."""

import json
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest
from benchmarks.killing import small_experiment, start
from jupyter_client.manager import start_new_kernel

from nblib.experiments.runs import Run
from nblib.experiments.watch import epoch_line

EPOCHS = 4
SECONDS = 180

TRAIN = """
import json
from nblib.experiment import Experiment
from nblib.models import build_network
from nblib.training import load_training_data, train
from nblib.widgets import LiveCurves
experiment = Experiment(**json.loads({parameters!r}))
data = load_training_data(experiment)
run = train(experiment, data, build_network(experiment, len(data.vocabulary)), show=LiveCurves())
"""
WATCH = "from nblib.widgets import watch_run\nrun = watch_run({folder!r}, every=0.05)\nprint(run.finished)"

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # sockets of the kernel's client


@pytest.fixture
def kernel():
    """Executes code in a kernel of its own, and gives its messages in their order."""
    manager, client = start_new_kernel(kernel_name="python3")

    def execute(code):
        messages = []
        reply = client.execute_interactive(code, timeout=SECONDS, output_hook=messages.append)
        assert reply["content"]["status"] == "ok", reply["content"]
        return messages

    yield execute
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def told(messages):
    """What the messages print."""
    return "".join(each["content"]["text"] for each in messages if each["content"].get("name") == "stdout")


def drawn(messages):
    """Of each message where pictures are shown: its kind, whether it is a picture, and the place; not those of bars."""
    shown = [
        (each["msg_type"], "image/png" in each["content"]["data"], each["content"]["transient"].get("display_id"))
        for each in messages
        if each["msg_type"] in ("display_data", "update_display_data")
    ]
    pictured = {place for _, picture, place in shown if picture}
    return [each for each in shown if each[2] in pictured]


def lines_of(experiment):
    """The lines a training prints, from its history."""
    history = Run(experiment.run_folder).history
    return [epoch_line(row, experiment.epochs) for row in history.to_dict("records")]


def test_curves_draw_themselves_in_one_place_and_go_when_the_run_is_finished(kernel, sample, tmp_path):
    experiment = small_experiment(sample, tmp_path, EPOCHS)
    messages = kernel(TRAIN.format(parameters=json.dumps(experiment.model_dump())))
    assert told(messages).splitlines() == lines_of(experiment)
    (first, *updates) = drawn(messages)
    place = first[2]
    assert first == ("display_data", True, place) and place
    assert updates == [("update_display_data", picture, place) for picture in [True] * (EPOCHS - 1) + [False]]


def test_a_run_that_another_process_trains_is_drawn_epoch_by_epoch_until_its_end(kernel, sample, tmp_path):
    kernel("import nblib.widgets")  # so that it looks on from the beginning
    experiment = small_experiment(sample, tmp_path, epochs=20)
    training = start(experiment)
    while not (experiment.run_folder / "experiment.json").exists():
        assert training.is_alive()
        time.sleep(0.01)
    messages = kernel(WATCH.format(folder=str(experiment.run_folder)))
    training.join()
    assert "   at most " in told(messages)
    lines = [line.split("   at most ")[0] for line in told(messages).splitlines()]
    assert lines == [*lines_of(experiment), "True"]
    shown = drawn(messages)
    assert len(shown) > 1 and all(picture for _, picture, _ in shown)
    assert Counter(kind for kind, _, _ in shown)["display_data"] == 1 and len({place for *_, place in shown}) == 1


def test_a_terminal_tells_epochs_as_they_come_and_ends_when_interrupted_while_the_run_goes_on(sample, tmp_path):
    experiment = small_experiment(sample, tmp_path, epochs=1000)
    training = start(experiment)
    while not (experiment.run_folder / "history.csv").exists():
        assert training.is_alive()
        time.sleep(0.01)
    command = [sys.executable, "-m", "nblib", "watch", str(experiment.run_folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        lines = []
        for line in watching.stdout:
            lines.append(line)
            if len(lines) == 2:
                watching.send_signal(signal.SIGINT)
    assert [line.split("/")[0] for line in lines[:2]] == ["epoch    1", "epoch    2"]
    assert lines[-1].startswith("No longer watching ") and watching.returncode == 0
    assert training.is_alive()
    training.kill()
    training.join()


BAR = """
import time
from nblib.progress_bar import ProgressBar
for _ in ProgressBar(range(3), "decode", unit="image"):
    time.sleep(0.2)
"""


def test_a_bar_shows_itself_in_one_place_of_a_notebook_and_goes_when_the_work_is_done(kernel):
    messages = kernel(BAR)
    shown = [each["content"] for each in messages if each["msg_type"] in ("display_data", "update_display_data")]
    *bars, last = [each["data"] for each in shown]
    assert bars[0]["text/plain"].startswith("decode:   0%|") and " 0/3 [" in bars[0]["text/plain"]
    assert any(" 2/3 [" in each["text/plain"] for each in bars)
    assert last == {"text/html": ""}
    assert len({each["transient"]["display_id"] for each in shown}) == 1
    assert not [each for each in messages if each["msg_type"] == "stream"]


def test_a_bar_is_silent_where_it_goes_to_a_file():
    done = subprocess.run([sys.executable, "-c", BAR], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
