"""What is on stderr when TensorFlow is loaded and used."""

import subprocess
import sys


def test_nothing_is_reported_while_tensorflow_loads_and_looks_for_gpus():
    program = "import nblib.training, keras; keras.ops.ones(3) + 1; print('done')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("done\n", "")
