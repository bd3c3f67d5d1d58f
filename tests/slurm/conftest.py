"""A real Slurm on this machine, started by cluster.sh."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

CLUSTER = Path(__file__).parent / "cluster.sh"
PROGRAMS = ("slurmctld", "slurmd", "munged", "srun", "sbatch", "squeue", "scontrol")


@pytest.fixture
def slurm(monkeypatch):
    """The folder of a cluster of one node with two slots; gone afterwards with all its jobs."""
    if lacking := [name for name in PROGRAMS if not shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")]:
        pytest.skip(f"no {', '.join(lacking)} here: apt-get install slurm-wlm munge")
    if os.geteuid() != 0:
        pytest.skip("only root can start munged as user munge, and slurmd")
    folder = tempfile.mkdtemp(prefix="nblib_slurm_")  # not pytest's, which user munge may not enter
    monkeypatch.setenv("SLURM_CONF", f"{folder}/slurm.conf")
    try:
        subprocess.run([CLUSTER, "start", folder], check=True)
        yield Path(folder)
    finally:
        subprocess.run(["scancel", "--user", "root"], check=False)
        subprocess.run([CLUSTER, "stop", folder], check=True)
        shutil.rmtree(folder, ignore_errors=True)
