"""Many runs: papermill on this machine or on Slurm, resumed wherever it stopped."""

from nblib.batch.command import PapermillStyle, batch

__all__ = ["PapermillStyle", "batch"]
