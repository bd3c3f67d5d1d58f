"""The embedded sample: radiology phantoms in the files of the 2020 task. SYNTHETIC: no picture shows a patient."""

from nblib.phantoms.sample import draw_sample

__all__ = ["draw_sample"]
