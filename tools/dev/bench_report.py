#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Judges the figures of the benchmark suite: see docs/benchmarking.md.

  bench_report.py RESULT.json [--html PAGE] [--no-verdict]   each row against its target
  bench_report.py --compare BEFORE.json AFTER.json [--html PAGE]

Exit code: 0 if every row that ran has met its target, or is listed with a reason in the page of exceptions, for that verdict; 1 if not,
or if a row failed; 2 for a wrong call or an unreadable file. With --no-verdict, and with --compare, slow rows do not
count, only those that failed or cannot be read.
"""
import argparse
import fnmatch
import json
import random
import re
import statistics
import sys
from pathlib import Path

sys.dont_write_bytecode = True
import bench_page  # noqa: E402  (beside this file)

ROOT = Path(__file__).resolve().parents[2]
NANOSECONDS = {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9}
RESAMPLES = 2000
FIGURES = {"median": statistics.median, "mean": statistics.fmean}
EXCUSED = {"## Not met yet": ("NOT MET", "undecided"), "## Undecided here": ("undecided",)}  # sections of the page
FEWEST_REPETITIONS = 5  # below that an interval says nothing


class Unreadable(Exception):
    pass


class Row:
    """One hot path: the samples of each side, nanoseconds an operation, one a repetition; figure_of makes one figure of
    a side's samples."""

    def __init__(self, name, figure_of):
        self.name, self.figure_of, self.sides, self.errors = name, figure_of, {}, []

    def figure(self, side):
        return self.figure_of(self.sides[side])

    def best_raw(self):
        raws = [side for side in self.sides if side.split(":")[0] == "raw"]
        return min(raws, key=self.figure, default=None)

    def peers(self):
        return [side for side in self.sides if side.startswith("peer:")]


class Results:
    def __init__(self, path, targets=()):
        self.path, self.targets = path, targets
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
            self.context, benchmarks = data["context"], data["benchmarks"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Unreadable(f"{path} holds no figures of the suite: {type(error).__name__}: {error}") from error
        self.skipped = {key.removeprefix("skipped "): value
                        for key, value in self.context.items() if key.startswith("skipped ")}
        self.rows = {}
        for entry in benchmarks:
            self.add(entry)
        # Measured in random order; shown by name, sizes and counts by value.
        self.rows = dict(sorted(self.rows.items(), key=lambda item: [
            int(part) if part.isdigit() else part for part in re.split(r"(\d+)", item[0])]))

    def add(self, entry):
        if entry.get("run_type", "iteration") != "iteration":
            return  # Google Benchmark's own means; we take the samples
        # What it appends to a name is how it measured.
        name = re.sub(r"(/(real_time|process_time|manual_time|threads:\d+|repeats:\d+|iterations:\d+|min_time:[\d.]+))+$",
                      "", entry["name"])
        row, _, side = name.rpartition("/")
        if not re.fullmatch(r"us|raw(:.+)?|peer:.+", side):
            raise Unreadable(f"{self.path}: \"{name}\" does not end in a side (us, raw, raw:NAME or peer:NAME)")
        if row not in self.rows:
            self.rows[row] = Row(row, FIGURES[(target_of(row, self.targets) or {}).get("figure", "median")])
        row = self.rows[row]
        if entry.get("error_occurred"):
            row.errors.append(f"{side}: {entry.get('error_message', 'no message')}")
            return
        # The wall time is divided by all threads' iterations; an operation takes the threads' number of times that.
        time = entry["real_time"] * NANOSECONDS[entry["time_unit"]] * entry.get("threads", 1)
        row.sides.setdefault(side, []).append(time)


def target_of(row, targets):
    return next((entry for entry in targets if fnmatch.fnmatchcase(row, entry["row"])), None)


def interval(statistic, figure_of, *samples):
    """What the statistic of the samples' figures is with 95 % confidence: a percentile bootstrap, seeded, so that the
    same file gives the same verdict."""
    chance = random.Random(6)
    values = sorted(statistic(*(figure_of(chance.choices(sample, k=len(sample))) for sample in samples))
                    for _ in range(RESAMPLES))
    return values[int(0.025 * RESAMPLES)], values[int(0.975 * RESAMPLES) - 1]


def ratio_of(numerator, denominator):
    return numerator / denominator if denominator > 0 else float("inf")


class Verdict:
    """What became of a row. state: met, NOT MET, undecided, failed."""

    def __init__(self, row, state, target, note="", floor=None, bounds=None):
        self.row, self.state, self.target, self.note = row, state, target, note
        self.floor, self.bounds, self.reason = floor, bounds, None  # floor: (name, its samples)

    @property
    def ratio(self):
        return None if self.floor is None else ratio_of(self.row.figure("us"), self.row.figure_of(self.floor[1]))


def in_words(target):
    words = []
    if "max_ratio" in target:
        words.append(f"{target['max_ratio']:g} x")
    if "max_extra_ns" in target:
        words.append(f"raw + {bench_page.time_text(target['max_extra_ns'])}")
    if "or_ns" in target:
        words.append(f"or {target['or_ns']:g} ns")
    if "against" in target:
        words.append(f"of {target['against']}")
    return " ".join(words)


def floor_of(row, target, results):
    """(name, samples) of what the row is compared with, or None and why."""
    if "against" in target:
        kind = target["against"].split(":")[0]
        base = re.sub(rf"(?<=/){re.escape(kind)}:\d+", target["against"], row.name)
        if base in results.rows and "us" in results.rows[base].sides:
            return (target["against"], results.rows[base].sides["us"]), ""
        return None, f"{base}, which it is compared with, did not run"
    raw = row.best_raw()
    return ((raw, row.sides[raw]), "") if raw else (None, "its raw side did not run")


def judge(row, targets, results):
    target = target_of(row.name, targets)
    if row.errors:
        return Verdict(row, "failed", in_words(target or {}), "; ".join(sorted(set(row.errors))))
    if target is None:
        return Verdict(row, "failed", "", "there is no target for it")
    words = in_words(target)
    if "us" not in row.sides:
        return Verdict(row, "failed", words, "our own side did not run")
    floor, why = floor_of(row, target, results)
    if floor is None:
        return Verdict(row, "failed", words, why)
    us, raw = row.sides["us"], floor[1]
    bounds = interval(ratio_of, row.figure_of, us, raw)
    if min(len(us), len(raw)) < FEWEST_REPETITIONS:
        return Verdict(row, "undecided", words, f"it takes {FEWEST_REPETITIONS} repetitions to judge", floor, bounds)
    checks = []  # (lower, upper, limit); one that holds is enough
    if "max_ratio" in target:
        checks.append((*bounds, target["max_ratio"]))
    if "max_extra_ns" in target:
        checks.append((*interval(lambda a, b: a - b, row.figure_of, us, raw), target["max_extra_ns"]))
    if "or_ns" in target:
        checks.append((*interval(lambda a: a, row.figure_of, us), target["or_ns"]))
    if any(upper <= limit for _, upper, limit in checks):
        state, note = "met", ""
    elif all(lower > limit for lower, _, limit in checks):
        state, note = "NOT MET", ""
    else:
        state, note = "undecided", "the interval includes the target; more repetitions, or a quieter machine"
    never = target.get("not_slower_than")
    if never in row.sides and interval(ratio_of, row.figure_of, us, row.sides[never])[0] > 1:
        state, note = "NOT MET", f"slower than {never}"
    return Verdict(row, state, words, note, floor, bounds)


def read_targets(path):
    return json.loads(Path(path).read_text(encoding="utf-8"))["rows"]


def read_exceptions(path):
    """(pattern, the verdicts that it excuses, reason), of the tables of the page."""
    exceptions, excused = [], ()
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            excused = EXCUSED.get(line, ())
        found = re.fullmatch(r"\| `([^`]+)` \| (.+) \|", line.strip())
        if excused and found:
            exceptions.append((found[1], excused, found[2]))
    return exceptions


def excuse(verdicts, exceptions):
    for verdict in verdicts:
        verdict.reason = next((reason for pattern, excused, reason in exceptions
                               if verdict.state in excused and fnmatch.fnmatchcase(verdict.row.name, pattern)), None)


def print_table(heads, lines):
    widths = [max(len(line[i]) for line in [heads, *lines]) for i in range(len(heads))]
    for line in [heads, *lines]:
        print("  ".join(cell.ljust(width) if i == 0 else cell.rjust(width)
                        for i, (cell, width) in enumerate(zip(line, widths))).rstrip())


def ratio_text(verdict):
    if verdict.ratio is None:
        return "-"
    return f"{verdict.ratio:.2f} ({verdict.bounds[0]:.2f}-{verdict.bounds[1]:.2f})"


def verdict_text(verdict):
    return f"{verdict.state} (listed)" if verdict.reason else verdict.state


def cells(verdict):
    row = verdict.row
    floor = "-" if verdict.floor is None else bench_page.time_text(row.figure_of(verdict.floor[1]))
    peers = [row.figure(side) for side in row.peers()]
    return [row.name, bench_page.time_text(row.figure("us")) if "us" in row.sides else "-", floor,
            bench_page.time_text(min(peers)) if peers else "-", ratio_text(verdict), verdict.target, verdict_text(verdict)]


HEADS = ["row", "us", "raw", "peer", "ratio (95 %)", "target", "verdict"]


def report(arguments):
    targets = read_targets(arguments.targets)
    results = Results(arguments.files[0], targets)
    verdicts = [judge(row, targets, results) for row in results.rows.values()]
    excuse(verdicts, read_exceptions(arguments.exceptions))
    print_table(HEADS, [cells(verdict) for verdict in verdicts])
    for title, lines in (
            ("Skipped", [f"{row}: {reason}" for row, reason in results.skipped.items()]),
            ("Notes", [f"{verdict.row.name}: {verdict.note}" for verdict in verdicts if verdict.note]),
            ("Listed, and why", [f"{verdict.row.name}: {verdict.reason}" for verdict in verdicts
                                 if verdict.reason])):
        if lines:
            print(f"\n{title}:", *(f"  {line}" for line in lines), sep="\n")
    if arguments.html:
        Path(arguments.html).write_text(bench_page.report_page(
            results, HEADS, [(cells(verdict), verdict.note or verdict.reason or "") for verdict in verdicts]),
            encoding="utf-8")
        print(f"\nThe page with plots: {arguments.html}")
    bad = [verdict for verdict in verdicts if verdict.state == "failed" or (
        not arguments.no_verdict and verdict.state != "met" and not verdict.reason)]
    met = sum(verdict.state == "met" for verdict in verdicts)
    print(f"\n{len(verdicts)} rows: {met} met, {len(verdicts) - met - len(bad)} "
          f"{'not judged' if arguments.no_verdict else 'listed'}, {len(bad)} "
          f"{'failed' if arguments.no_verdict else 'not met and not listed, or failed'}; {len(results.skipped)} skipped")
    if not verdicts:
        print("No row ran, which shows nothing.")
    return 1 if bad or not verdicts else 0


def compare(arguments):
    targets = read_targets(arguments.targets)
    before, after = (Results(path, targets) for path in arguments.files)
    for key in ("kernel", "cpu", "compiler", "vulkan device", "opencl device", "dma-buf exporter", "tier"):
        if before.context.get(key) != after.context.get(key):
            print(f"They differ in {key}: {before.context.get(key)} and {after.context.get(key)}")
    lines = []
    for name, row in after.rows.items():
        other = before.rows.get(name)
        if other is None or "us" not in row.sides or "us" not in other.sides:
            continue
        low, high = interval(ratio_of, row.figure_of, row.sides["us"], other.sides["us"])
        change = "slower" if low > 1 else "faster" if high < 1 else "no difference seen"
        lines.append([name, bench_page.time_text(other.figure("us")), bench_page.time_text(row.figure("us")),
                      f"{ratio_of(row.figure('us'), other.figure('us')):.2f} ({low:.2f}-{high:.2f})", change])
    heads = ["row", "us before", "us after", "after : before (95 %)", "change"]
    print_table(heads, lines)
    for name in sorted(before.rows.keys() ^ after.rows.keys()):
        print(f"Only in {(before if name in before.rows else after).path}: {name}")
    if arguments.html:
        Path(arguments.html).write_text(bench_page.comparison_page(before, after, heads, lines), encoding="utf-8")
        print(f"\nThe page with plots: {arguments.html}")
    failed = [row.name for results in (before, after) for row in results.rows.values() if row.errors]
    print(*(f"Failed: {name}" for name in failed), sep="\n", end="\n" if failed else "")
    return 1 if failed or not lines else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", help="what the suite wrote: one file, or with --compare two")
    parser.add_argument("--compare", action="store_true", help="two files, the older one first")
    parser.add_argument("--no-verdict", action="store_true", help="only whether every row ran and can be read")
    parser.add_argument("--html", help="write a page with plots here")
    parser.add_argument("--targets", default=ROOT / "bench/targets.json")
    parser.add_argument("--exceptions", default=ROOT / "docs/benchmarking.md")
    arguments = parser.parse_args()
    if len(arguments.files) != (2 if arguments.compare else 1):
        parser.error("one file is judged; two are compared, with --compare")
    try:
        return compare(arguments) if arguments.compare else report(arguments)
    except (Unreadable, OSError) as error:
        print(f"bench_report.py: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
