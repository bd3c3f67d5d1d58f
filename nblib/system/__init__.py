"""Files that are never half-written, progress bars, and the hardware a process may use."""

from nblib.system.files import NO_ROOM, remove_leftovers, replacing, take_lock, write_json
from nblib.system.hardware import cores, visible_gpus
from nblib.system.progress import ProgressBar, stderr_silenced

__all__ = [
    "NO_ROOM", "ProgressBar", "cores", "remove_leftovers", "replacing", "stderr_silenced", "take_lock",
    "visible_gpus", "write_json",
]  # fmt: skip
