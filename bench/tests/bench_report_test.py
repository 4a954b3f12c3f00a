#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Tests of the judge with made-up figures: bench_report_test.py BENCH_REPORT."""
import json
import re
import subprocess
import sys
import tempfile
import unittest
from html.parser import HTMLParser
from pathlib import Path

REPORT = Path(sys.argv.pop(1)).resolve()
STEADY = (0.98, 0.99, 1.0, 1.0, 1.0, 1.01, 1.02)  # what repetitions look like around their median
TARGETS = [{"row": "Fast/*", "max_ratio": 1.2}, {"row": "Tiny", "max_ratio": 1.2, "or_ns": 2},
           {"row": "Cold", "max_extra_ns": 1000}, {"row": "Copy", "max_ratio": 1.05, "not_slower_than": "raw:memcpy"},
           {"row": "Handed/*", "max_ratio": 1.1, "figure": "mean"},
           {"row": "Scaling/*", "against": "n:1", "max_ratio": 1.3}]


def entries(name, nanoseconds, spread=STEADY, **more):
    return [{"name": name, "run_type": "iteration", "real_time": nanoseconds * factor, "time_unit": "ns", **more}
            for factor in spread]


class Judge(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.at = Path(self.folder.name)

    def write(self, benchmarks, name="figures.json", **context):
        path = self.at / name
        path.write_text(json.dumps({"context": {"kernel": "made up", **context}, "benchmarks": benchmarks}))
        return path

    def run_judge(self, *arguments, exceptions=""):
        (self.at / "targets.json").write_text(json.dumps({"rows": TARGETS}))
        (self.at / "exceptions.md").write_text(exceptions)
        done = subprocess.run([sys.executable, "-B", REPORT, "--targets", self.at / "targets.json", "--exceptions",
                               self.at / "exceptions.md", *arguments], capture_output=True, text=True, check=False)
        self.assertEqual(done.stderr if done.returncode != 2 else "", "")
        return done.returncode, done.stdout + done.stderr

    def judge(self, benchmarks, *arguments, exceptions="", **context):
        return self.run_judge(self.write(benchmarks, **context), *arguments, exceptions=exceptions)

    def verdict(self, output, row):
        line = next(line for line in output.splitlines() if line.startswith(row + " "))
        return re.split(r"\s{2,}", line)[-1]

    def test_a_row_within_its_target_is_met(self):
        code, output = self.judge(entries("Fast/Path/us/real_time", 110) + entries("Fast/Path/raw/real_time", 100))
        self.assertEqual((code, self.verdict(output, "Fast/Path")), (0, "met"), output)

    def test_a_slow_row_is_reported(self):
        code, output = self.judge(entries("Fast/Path/us", 150) + entries("Fast/Path/raw", 100) +
                                  entries("Fast/Other/us", 100) + entries("Fast/Other/raw", 100))
        self.assertEqual((code, self.verdict(output, "Fast/Path")), (1, "NOT MET"), output)
        self.assertEqual(self.verdict(output, "Fast/Other"), "met")
        self.assertIn("1.50 (", output)

    def test_the_best_raw_side_counts(self):
        code, _ = self.judge(entries("Fast/Path/us", 100) + entries("Fast/Path/raw:one", 100) +
                             entries("Fast/Path/raw:better", 50))
        self.assertEqual(code, 1)

    def test_peers_are_shown_and_not_judged(self):
        code, output = self.judge(entries("Fast/Path/us", 100) + entries("Fast/Path/raw", 100) +
                                  entries("Fast/Path/peer:usual", 7))
        self.assertEqual(code, 0)
        self.assertIn("7 ns", output)

    def test_noise_around_the_target_is_undecided(self):
        noise = (0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3)
        code, output = self.judge(entries("Fast/Path/us", 120, noise) + entries("Fast/Path/raw", 100, noise))
        self.assertEqual((code, self.verdict(output, "Fast/Path")), (1, "undecided"), output)

    def test_repetitions_of_two_kinds_are_judged_by_their_mean_where_the_target_says_so(self):
        ours, theirs = (1.0,) * 38 + (1.4,) * 42, (1.0,) * 42 + (1.4,) * 38
        code, output = self.judge(entries("Handed/Over/us", 100, ours) + entries("Handed/Over/raw", 100, theirs))
        self.assertEqual((code, self.verdict(output, "Handed/Over")), (0, "met"), output)
        self.assertIn("1.02 (", output)
        code, output = self.judge(entries("Fast/Path/us", 100, ours) + entries("Fast/Path/raw", 100, theirs))
        self.assertEqual((code, self.verdict(output, "Fast/Path")), (1, "undecided"), output)

    def test_too_few_repetitions_decide_nothing(self):
        code, output = self.judge(entries("Fast/Path/us", 100, (1, 1)) + entries("Fast/Path/raw", 100, (1, 1)))
        self.assertEqual((code, self.verdict(output, "Fast/Path")), (1, "undecided"), output)

    def test_a_listed_row_does_not_fail_the_suite(self):
        figures = entries("Fast/Path/us", 150) + entries("Fast/Path/raw", 100)
        page = "## Not met yet\n| Row | Why |\n|---|---|\n| `Fast/*` | it is slow, and we know |\n## Else\n"
        code, output = self.judge(figures, exceptions=page)
        self.assertEqual((code, self.verdict(output, "Fast/Path")), (0, "NOT MET (listed)"), output)
        self.assertIn("it is slow, and we know", output)
        elsewhere = "## Method\n| `Fast/*` | in another section |\n## Not met yet\n"
        self.assertEqual(self.judge(figures, exceptions=elsewhere)[0], 1)

    def test_a_row_that_is_listed_as_undecided_must_not_be_slow(self):
        page = "## Undecided here\n| `Fast/*` | the machine is noisy |\n"
        noise = (0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3)
        noisy = entries("Fast/Path/us", 120, noise) + entries("Fast/Path/raw", 100, noise)
        code, output = self.judge(noisy, exceptions=page)
        self.assertEqual((code, self.verdict(output, "Fast/Path")), (0, "undecided (listed)"), output)
        code, output = self.judge(entries("Fast/Path/us", 150) + entries("Fast/Path/raw", 100), exceptions=page)
        self.assertEqual((code, self.verdict(output, "Fast/Path")), (1, "NOT MET"), output)

    def test_a_failed_row_cannot_be_excused(self):
        page = "## Not met yet\n| `Fast/*` | reason |\n"
        failed = [{"name": "Fast/Path/us", "run_type": "iteration", "error_occurred": True,
                   "error_message": "this is no zero-copy"}]
        for more in ([], ["--no-verdict"]):
            code, output = self.judge(failed + entries("Fast/Path/raw", 100), *more, exceptions=page)
            self.assertEqual((code, self.verdict(output, "Fast/Path")), (1, "failed"), output)
            self.assertIn("this is no zero-copy", output)

    def test_a_missing_side_or_target_fails(self):
        for figures in (entries("Fast/Path/us", 100), entries("Fast/Path/raw", 100),
                        entries("Unknown/us", 100) + entries("Unknown/raw", 100), []):
            self.assertEqual(self.judge(figures)[0], 1, figures)
            self.assertEqual(self.judge(figures, "--no-verdict")[0], 1, figures)

    def test_without_a_verdict_slow_rows_pass(self):
        self.assertEqual(self.judge(entries("Fast/Path/us", 900) + entries("Fast/Path/raw", 1), "--no-verdict")[0], 0)

    def test_a_floor_in_nanoseconds(self):
        self.assertEqual(self.judge(entries("Tiny/us", 1.5) + entries("Tiny/raw", 0.3))[0], 0)
        self.assertEqual(self.judge(entries("Tiny/us", 2.5) + entries("Tiny/raw", 0.3))[0], 1)

    def test_a_fixed_addition(self):
        self.assertEqual(self.judge(entries("Cold/us", 6200) + entries("Cold/raw", 5000, (1,) * 7))[0], 1)
        self.assertEqual(self.judge(entries("Cold/us", 5900, (1,) * 7) + entries("Cold/raw", 5000, (1,) * 7))[0], 0)

    def test_never_slower_than(self):
        streaming = entries("Copy/raw:stream", 100)
        self.assertEqual(self.judge(entries("Copy/us", 102, (1,) * 7) + streaming +
                                    entries("Copy/raw:memcpy", 130))[0], 0)
        code, output = self.judge(entries("Copy/us", 104, (1,) * 7) + entries("Copy/raw:stream", 102, (1,) * 7) +
                                  entries("Copy/raw:memcpy", 103, (1,) * 7))
        self.assertEqual(code, 1)
        self.assertIn("slower than raw:memcpy", output)

    def test_scaling_against_itself(self):
        one = entries("Scaling/Buffers/n:1/us", 100)
        self.assertEqual(self.judge(one + entries("Scaling/Buffers/n:1000/us", 110))[0], 0)
        code, output = self.judge(one + entries("Scaling/Buffers/n:1000/us", 200))
        self.assertEqual((code, self.verdict(output, "Scaling/Buffers/n:1000")), (1, "NOT MET"), output)
        self.assertEqual(self.judge(entries("Scaling/Buffers/n:1000/us", 100))[0], 1)

    def test_threads_share_the_wall_time(self):
        figures = entries("Scaling/Threads/n:1/us/real_time", 100) + entries(
            "Scaling/Threads/n:2/us/real_time/threads:2", 50, threads=2)
        self.assertEqual(self.judge(figures)[0], 0)

    def test_aggregates_are_left_out_and_units_read(self):
        figures = entries("Fast/Path/us", 0.1, time_unit="us") + entries("Fast/Path/raw", 100)
        mean = {"name": "Fast/Path/us_mean", "run_type": "aggregate", "real_time": 9e9, "time_unit": "ns"}
        self.assertEqual(self.judge(figures + [mean])[0], 0)

    def test_skipped_rows_are_named(self):
        code, output = self.judge(entries("Fast/Path/us", 100) + entries("Fast/Path/raw", 100),
                                  **{"skipped Hop/There": "There is no GPU."})
        self.assertEqual(code, 0)
        self.assertIn("Hop/There: There is no GPU.", output)

    def test_an_unreadable_file_is_an_error(self):
        broken = self.at / "broken.json"
        broken.write_text("{")
        self.assertEqual(self.run_judge(broken)[0], 2)
        self.assertEqual(self.run_judge(self.at / "missing.json")[0], 2)
        self.assertEqual(self.judge(entries("Fast/Path/theirs", 1))[0], 2)

    def test_the_page_is_whole_and_fetches_nothing(self):
        page = self.at / "page.html"
        figures = entries("Fast/<b>&/us", 100) + entries("Fast/<b>&/raw", 90) + [
            entry for size in (4096, 33177600) for side, time in (("us", 10), ("raw", 9), ("peer:copy", size))
            for entry in entries(f"Fast/Sized/bytes:{size}/{side}", time)]
        self.judge(figures, "--html", page)
        text = page.read_text()
        self.assertEqual(text.count("<svg"), 2)
        self.assertNotIn("<b>", text)
        self.assertIn("prefers-color-scheme: dark", text)
        self.assertNotRegex(text, r"(?i)https?:|<script|src=|@import|url\(")
        open_tags = []
        parser = HTMLParser()
        parser.handle_starttag = lambda tag, _: None if tag in ("meta",) else open_tags.append(tag)
        parser.handle_startendtag = lambda tag, _: None
        parser.handle_endtag = lambda tag: self.assertEqual(open_tags.pop(), tag)
        parser.feed(text)
        self.assertEqual(open_tags, [])

    def test_two_files_are_compared(self):
        before = self.write(entries("Fast/Path/us", 100) + entries("Fast/Path/raw", 90) + entries("Gone/us", 1) +
                            entries("Same/us", 50), "before.json")
        after = self.write(entries("Fast/Path/us", 150) + entries("Fast/Path/raw", 90) + entries("Same/us", 50),
                           "after.json", cpu="another")
        code, output = self.run_judge("--compare", before, after, "--html", self.at / "page.html")
        self.assertEqual(code, 0)
        self.assertEqual(self.verdict(output, "Fast/Path"), "slower")
        self.assertEqual(self.verdict(output, "Same"), "no difference seen")
        self.assertIn(f"Only in {before}: Gone", output)
        self.assertIn("They differ in cpu", output)
        self.assertIn("us, before", (self.at / "page.html").read_text())


if __name__ == "__main__":
    unittest.main()
