import os
import subprocess
import sys

import psutil

STARTER = """
import os, subprocess, sys
print(subprocess.Popen([sys.executable, "-c", sys.argv[1], str(os.getpid())]).pid, flush=True)
sys.stdin.read()
"""
ATTENDED = "import sys; from nblib.system.attended import end_with; end_with(int(sys.argv[1]))"


def test_it_ends_with_the_process_that_started_it_however_that_ends():
    command = [sys.executable, "-c", STARTER, ATTENDED]
    starter = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    attended = psutil.Process(int(starter.stdout.readline()))
    starter.kill()
    starter.communicate()
    assert psutil.wait_procs([attended], 30)[1] == []


def test_the_arguments_after_the_pid_are_those_of_papermill():
    command = [sys.executable, "-m", "nblib.system.attended", str(os.getpid()), "--version"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed.split()[0].count(".") == 2


def test_the_watch_begins_before_a_library_is_loaded():
    code = "import sys, nblib.system.attended; sys.exit(bool({'papermill', 'pandas', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
