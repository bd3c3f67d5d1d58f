"""Prediction of many shards as an array of jobs of a real Slurm, while jobs and the node's daemon are lost."""

import os
import signal
import subprocess
import sys
from io import BytesIO

import pandas as pd
import pyarrow as pa
from batch.batches import TOP, wait_for
from finished import finished_run
from PIL import Image
from pyarrow import parquet

SHARDS, IMAGES, DAMAGED = 40, 400, 17


def write_shards(folder):
    folder.mkdir()
    for shard in range(SHARDS):
        stream = BytesIO()
        Image.new("L", (40, 40), 5 * shard).save(stream, "JPEG")
        ids = [f"s{shard}_{row}" for row in range(IMAGES)]
        rows = {"image": [{"bytes": stream.getvalue()}] * IMAGES, "image_id": ids}
        parquet.write_table(pa.table(rows), folder / f"shard_{shard:02}.parquet", row_group_size=100)
    damaged = folder / f"shard_{DAMAGED}.parquet"
    damaged.write_bytes(damaged.read_bytes()[:-200])


def in_queue(*options):
    """What squeue lists, as text."""
    return subprocess.run(["squeue", "--noheader", *options], capture_output=True, text=True, check=True).stdout


def test_all_shards_but_the_damaged_one_are_predicted_once_whatever_is_lost(slurm, sample, tmp_path):
    run, out = finished_run(sample, tmp_path / "runs"), tmp_path / "out"
    write_shards(tmp_path / "shards")
    command = f"{sys.executable} -m nblib predict {run.folder} {tmp_path / 'shards'} --to {out}"
    array = ["sbatch", "--parsable", "--array=1-2", "--requeue", "--open-mode=append"]
    options = [f"--output={tmp_path}/job_%a.txt", f"--chdir={TOP}", f"--wrap={command}"]
    environment = {**os.environ, "PYTHONPATH": str(TOP), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*array, *options], env=environment, capture_output=True, text=True, check=True)
    job = done.stdout.strip()

    wait_for(lambda: len(list(out.glob("*.parquet"))) > 2, 300)
    subprocess.run(["scontrol", "requeue", f"{job}_1"], check=True)
    wait_for(lambda: not in_queue("--states=completing"))  # else the new daemon finds the job twice
    os.kill(int((slurm / "slurmd.pid").read_text()), signal.SIGKILL)
    subprocess.run(["slurmd"], env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}, check=True)
    wait_for(lambda: not in_queue(), 300)

    said = "".join(path.read_text() for path in tmp_path.glob("job_*.txt"))
    assert f"shard_{DAMAGED}.parquet: can't be read" in said
    tables = {path.stem: pd.read_parquet(path) for path in out.glob("*.parquet")}
    assert sorted(tables) == [f"shard_{shard:02}" for shard in range(SHARDS) if shard != DAMAGED]
    rows = pd.concat(tables.values())
    assert len(rows) == (SHARDS - 1) * IMAGES and rows["image_id"].is_unique and rows["problem"].isna().all()
