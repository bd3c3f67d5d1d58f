import fcntl

import numpy as np
from reports.rendered import SCRIPT, render, row_of

from nblib.experiments import Run


def test_a_run_is_listed_beside_the_paper_with_all_that_was_measured(leave_run, tmp_path):
    leave_run("03_vgg16_flipped", scored=0.36)
    row = row_of(render(tmp_path)["index.html"], "03_vgg16_flipped")
    assert "<strong>0.3600</strong>" in row and ">0.3475<" in row and ">+0.0125<" in row  # 0.3600 - 0.3475
    assert '2 <span class="note">of 3</span>' in row and ">6 s<" in row  # 3 epochs of 2 s
    assert "backbone small_plain, not VGG16; weights None, not imagenet" in row
    assert 'aria-label="F1 of the validation half over 3 epochs, from 0.100 to 0.200"' in row
    assert 'points="2.0,20.3 60.0,3.0 118.0,11.7"' in row  # heights 1/3, 1 and 2/3 of 26 pixels, from 29 upwards


def test_a_run_trained_on_all_images_is_listed_without_a_figure_and_says_why(leave_run, tmp_path):
    run = leave_run("03_vgg16_flipped", train_on="all", scored=None)
    run.write_history(run.history.drop(columns=["val_loss", "val_f1"]).to_dict("records"))
    run.write_scores({"epochs": 3, "seconds": 6.0})
    pages = render(tmp_path)
    row = row_of(pages["index.html"], "03_vgg16_flipped")
    assert "<td>all</td>" in row and "trained on all images, so that none is left for an F1" in row
    assert "<strong>" not in row and "<polyline" not in row and ">0.3475<" not in row and "finished</span>" in row
    page = pages["03_vgg16_flipped--all.html"]
    assert "none is left for an F1" in page and "best epoch" not in page and "Epochs as numbers" in page


def test_an_interval_is_shown_where_the_scores_hold_one(leave_run, tmp_path):
    run = leave_run("03_vgg16_flipped")
    run.write_scores({**run.scores, "test_f1_interval": [0.2951, 0.3249]})
    pages = render(tmp_path)
    assert "0.295 to 0.325" in row_of(pages["index.html"], "03_vgg16_flipped")
    assert "0.295 to 0.325" in pages["03_vgg16_flipped--val1.html"]


def test_a_labelled_test_split_has_a_column_of_its_own_where_a_run_predicted_it(run, sample_dataset, tmp_path):
    epoch = {"epoch": 1, "loss": 1, "f1": 0, "val_loss": 1, "val_f1": 0.5, "learning_rate": 1, "seconds": 1}
    run.write_history([epoch])
    run.write_scores({"epochs": 1, "seconds": 1})
    assert "F1, test split" not in render(tmp_path)["index.html"]
    image_ids = sample_dataset.split("test")["image_id"]
    nothing = np.zeros((len(image_ids), len(run.vocabulary)))
    run.write_probabilities("test", image_ids, nothing, sample_dataset.test_fingerprint)
    index = render(tmp_path)["index.html"]
    assert "F1, test split" in index and '<td class="number" data-order="0.0">0.0000</td>' in row_of(index, "small")


def test_runs_of_several_seeds_are_also_shown_as_one_row(leave_run, tmp_path):
    for half, scored in (("val1", 0.30), ("val2", 0.40)):
        leave_run("03_vgg16_flipped", half, scored=scored)
    assert 'id="seeds"' not in render(tmp_path)["index.html"], "with one seed each"
    for half, scored in (("val1", 0.32), ("val2", 0.42)):
        leave_run("03_vgg16_flipped_seed_7", half, scored=scored, seed=7)
    index = render(tmp_path)["index.html"]
    _, _, table = index.partition('id="collapsed"')
    (row,) = table.partition("<tbody>")[2].partition("</tbody>")[0].split("<tr>")[1:]
    assert ">03_vgg16_flipped</th><td>val1, val2</td>" in row and '<td class="number">2</td>' in row
    assert "<strong>0.3600</strong>" in row and ">0.0141</td>" in row  # means 0.35 and 0.37, 0.02 / sqrt(2)
    assert ">0.3465</td>" in row  # the paper's (0.3475 + 0.3455) / 2
    assert ">0.3455<" in row_of(index, "03_vgg16_flipped_seed_7"), "each run is compared with its row of the paper"


def test_failed_running_and_unfinished_runs_are_shown_as_such(leave_run, tmp_path):
    leave_run("failed", scored=None, error=f"no room {SCRIPT}")
    leave_run("stopped", scored=None, epochs=9)
    running = leave_run("going", scored=None, epochs=9)
    with running.lock():
        pages = render(tmp_path)
    index = pages["index.html"]
    assert "failed</span>" in row_of(index, "failed") and "ValueError: no room &lt;script&gt;" in row_of(
        index, "failed"
    )
    assert "unfinished</span>" in row_of(index, "stopped") and "epoch 3 of 9<" in row_of(index, "stopped")
    assert "running</span>" in row_of(index, "going")
    assert "epoch 3 of 9, at most 12 s left" in row_of(index, "going")  # 6 epochs of 2 s
    assert "<polyline" in row_of(index, "going")
    assert "at most 12 s left" in pages["going--val1.html"]
    assert "unfinished</span>" in row_of(render(tmp_path)["index.html"], "going")  # its process is gone


def test_asking_whether_a_run_is_running_does_not_lock_it(leave_run):
    run = leave_run("going", scored=None)
    assert not run.running
    with run.lock():
        assert Run(run.folder).running
    with (run.folder / "experiment.json").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises if it is still locked


def test_an_experiment_that_failed_before_there_was_a_run_has_a_row(leave_run, tmp_path):
    run = leave_run("early", error="mistyped")
    for name in ("experiment.json", "history.csv", "scores.json"):
        (run.folder / name).unlink()
    assert "ValueError: mistyped" in row_of(render(tmp_path)["index.html"], "early")


def test_a_run_that_cannot_be_read_does_not_hide_the_others(leave_run, tmp_path):
    leave_run("good")
    (leave_run("bad").folder / "scores.json").write_text("{")
    index = render(tmp_path)["index.html"]
    assert "0.3100" in row_of(index, "good") and "scores.json is damaged" in row_of(index, "bad")
