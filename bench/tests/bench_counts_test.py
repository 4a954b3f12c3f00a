#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Tests of the table of instructions with made-up figures: bench_counts_test.py BENCH_COUNTS."""
import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

COUNTS = Path(sys.argv.pop(1)).resolve()


class Counts(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.result, self.table = Path(folder.name) / "result.json", Path(folder.name) / "table.json"

    def write(self, compiler="12.2.0", **rows):
        """rows: name=(us, raw), each measured twice, once disturbed."""
        benchmarks = [{"name": f"{row}/{side}/real_time", "run_type": "iteration", "real_time": count * disturbed,
                       "time_unit": "ns"}
                      for row, pair in rows.items() for side, count in zip(("us", "raw:way"), pair) for disturbed in (1.5, 1)]
        self.result.write_text(json.dumps({"context": {"compiler": compiler, "kernel": "made up"},
                                           "benchmarks": benchmarks}))

    def run_counts(self, *arguments):
        done = subprocess.run([sys.executable, "-B", COUNTS, self.result, "--expected", self.table, *arguments],
                              capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def listed(self, **rows):
        self.write(**rows)
        self.assertEqual(self.run_counts("--update")[0], 0)

    def test_what_is_as_listed_passes(self):
        self.listed(Path=(300, 100), Other=(50, 50))
        code, output = self.run_counts()
        self.assertEqual(code, 0, output)

    def test_two_percent_are_play_and_three_are_not(self):
        self.listed(Path=(300, 100))
        self.write(Path=(305, 100))
        self.assertEqual(self.run_counts()[0], 0)
        self.write(Path=(310, 100))
        code, output = self.run_counts()
        self.assertEqual(code, 1)
        self.assertIn("310 instructions beside 100 raw ones: 3.100 times as many, and 3.000 are listed", output)

    def test_a_slower_kernel_slows_both(self):
        self.listed(Path=(300, 100))
        self.write(Path=(600, 200))
        self.assertEqual(self.run_counts()[0], 0)

    def test_fewer_are_welcome(self):
        self.listed(Path=(300, 100))
        self.write(Path=(200, 100))
        code, output = self.run_counts()
        self.assertEqual(code, 0)
        self.assertIn("less", output)

    def test_rows_that_did_not_run_or_are_not_listed_fail(self):
        self.listed(Path=(300, 100))
        self.write(Other=(300, 100))
        code, output = self.run_counts()
        self.assertEqual(code, 1)
        self.assertIn("Path did not run", output)
        self.assertIn("Other is not in the table", output)

    def test_some_rows_can_be_held_alone(self):
        self.listed(Path=(300, 100), Other=(50, 50))
        self.write(Path=(400, 100))
        code, output = self.run_counts("--rows", "Path")
        self.assertEqual(code, 1)
        self.assertNotIn("Other", output)

    def test_another_compilers_code_is_not_judged(self):
        self.listed(Path=(300, 100))
        self.write(compiler="14.2.0", Path=(900, 100))
        code, output = self.run_counts()
        self.assertEqual(code, 77)
        self.assertIn("12.2.0", output)

    def test_no_figures_are_no_success(self):
        self.listed(Path=(300, 100))
        self.write()
        self.assertEqual(self.run_counts()[0], 2)
        self.result.unlink()
        self.assertEqual(self.run_counts()[0], 2)

    def test_a_row_that_failed_is_no_count(self):
        self.listed(Path=(300, 100))
        data = json.loads(self.result.read_text())
        data["benchmarks"].append({"name": "Path/us", "run_type": "iteration", "error_occurred": True,
                                   "error_message": "this is no zero-copy", "real_time": 0, "time_unit": "ns"})
        self.result.write_text(json.dumps(data))
        code, output = self.run_counts()
        self.assertEqual(code, 2)
        self.assertIn("this is no zero-copy", output)


if __name__ == "__main__":
    unittest.main()
