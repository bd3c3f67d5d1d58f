import pytest
from batch.batches import nblib_batch

from nblib.__main__ import main


def test_a_dry_run_prints_a_papermill_command_for_each_run(sample, tmp_path):
    words = ["params/table3", "--halves", "val1", "val2", "-f", "params/sample.yaml", "-p", "data", sample,
             "-p", "learning_rate", "1.0e-5,3.0e-5", "-p", "runs", tmp_path, "--dry-run"]  # fmt: skip
    output = tmp_path.parent / f"{tmp_path.name}.output"
    assert nblib_batch(words, output).wait() == 0 and list(tmp_path.iterdir()) == []
    commands = output.read_text().splitlines()
    assert len(commands) == 40 and all(line.startswith("papermill notebooks/0") for line in commands)
    assert (
        f"papermill notebooks/03_baseline_vgg16.ipynb {tmp_path}/08_vgg16_3fc_learning_rate_3e-05/val2/notebook.ipynb "
        f"-f params/table3/08_vgg16_3fc.yaml -f params/sample.yaml -p data {sample} -p learning_rate 3.0e-5 "
        f"-p runs {tmp_path} -p experiment_name 08_vgg16_3fc_learning_rate_3e-05 -p validation_half val2"
    ) in commands


def test_seeds_are_given_like_halves(sample, tmp_path):
    words = ["params/table3/03_vgg16_flipped.yaml", "--seeds", "1", "2", "--halves", "val1", "-p", "data", sample,
             "-p", "runs", tmp_path, "--dry-run"]  # fmt: skip
    output = tmp_path.parent / f"{tmp_path.name}.output"
    assert nblib_batch(words, output).wait() == 0
    commands = output.read_text().splitlines()
    assert sorted(line.split()[2] for line in commands) == [
        f"{tmp_path}/03_vgg16_flipped_seed_{seed}/val1/notebook.ipynb" for seed in (1, 2)
    ]
    assert all(f"-p seed {seed} " in line for seed, line in enumerate(sorted(commands), start=1))


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--halves", "val3"], "parameter 'validation_half': Input should be 'val1' or 'val2'; received 'val3'"),
        (["--executor", "slurm", "--jobs", "2"], "--jobs can't be used with --executor slurm"),
        (["--gpus", "1", "--time", "60"], "--gpus and --time can't be used with --executor local"),
    ],
)
def test_options_that_make_no_sense_are_reported_in_one_sentence(words, error, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["nblib", "batch", "params/table3", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert error in capsys.readouterr().err
