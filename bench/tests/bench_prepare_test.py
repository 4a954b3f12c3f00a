#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Settings that ./dev bench --prepare changes are put back when it ends: by itself, by a failure, by ctrl-C, by TERM.

  bench_prepare_test.py REPOSITORY
"""
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

REPOSITORY = Path(sys.argv.pop())
SHMEM = "kernel/mm/transparent_hugepage/shmem_enabled"
GOVERNOR = "devices/system/cpu/cpu0/cpufreq/scaling_governor"


class Prepare(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.sys = Path(self.folder.name)
        # As the kernel shows them. A file keeps what is written to it; the kernel would add the brackets.
        self.make(SHMEM, "always within_size advise [never] deny force\n")
        self.make(GOVERNOR, "schedutil\n")

    def make(self, name, text):
        (self.sys / name).parent.mkdir(parents=True, exist_ok=True)
        (self.sys / name).write_text(text, encoding="utf-8")

    def settings(self):
        return [(self.sys / name).read_text(encoding="utf-8").strip() for name in (SHMEM, GOVERNOR)]

    def start(self, work):
        """A shell that prepares, says so, and works; the leader of a group, as a terminal's job is."""
        script = f"set -euo pipefail; . tools/dev/common.sh; need bench_prepare prepare_system; echo ready; {work}"
        process = subprocess.Popen(["bash", "-c", script], cwd=REPOSITORY, start_new_session=True, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   env={**os.environ, "CAUSEWAY_SYSTEM_SETTINGS": str(self.sys)})
        self.addCleanup(process.stdout.close)
        for line in process.stdout:
            if line == "ready\n":
                break
        return process

    def check_signal(self, number, code):
        process = self.start("sleep 60; echo late")
        self.assertEqual(self.settings(), ["advise", "performance"])
        time.sleep(0.1)  # the shell is waiting for its child by then
        os.killpg(process.pid, number)
        self.assertEqual(process.wait(timeout=30), code)
        self.assertEqual(self.settings(), ["never", "schedutil"])

    def test_at_its_end(self):
        process = self.start("true")
        self.assertEqual(process.wait(timeout=30), 0)
        self.assertEqual(self.settings(), ["never", "schedutil"])

    def test_after_a_failure(self):
        process = self.start("false")
        self.assertEqual(process.wait(timeout=30), 1)
        self.assertEqual(self.settings(), ["never", "schedutil"])

    def test_after_ctrl_c(self):
        self.check_signal(signal.SIGINT, 130)

    def test_after_being_told_to_end(self):
        self.check_signal(signal.SIGTERM, 143)

    def test_what_is_right_or_missing_is_left_alone(self):
        self.make(SHMEM, "always within_size [advise] never deny force\n")
        (self.sys / GOVERNOR).unlink()
        process = self.start("true")
        self.assertEqual(process.wait(timeout=30), 0)
        self.assertEqual((self.sys / SHMEM).read_text(encoding="utf-8").strip(),
                         "always within_size [advise] never deny force")


if __name__ == "__main__":
    unittest.main()
