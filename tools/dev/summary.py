#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Sums up the results of test tiers: summary.py RESULTS_FOLDER TIER…

Each tier's folder holds ctest's report (*.junit), the reports of its GoogleTest programs (*.xml, named after the
program, as ctest's test is, less the tier) and what ./dev test noted. A program counts with the tests in it; a program
without a report counts as one test. The last line is `N passed, N failed, N skipped`; exit code 1 if anything failed.
"""
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path


class Tier:
    def __init__(self, name):
        self.name, self.passed, self.seconds = name, 0, 0.0
        self.failed, self.skipped = [], []  # (test, reason)

    def fail(self, test, reason):
        self.failed.append((test, one_line(reason)))

    def skip(self, test, reason):
        self.skipped.append((test, one_line(reason)))


def one_line(text):
    return " ".join((text or "").split())[:300] or "no reason given"


def parse(path):
    """Programs may print bytes that XML forbids, and ctest passes them on."""
    text = path.read_text(encoding="utf-8", errors="replace")
    return ElementTree.fromstring(re.sub("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "?", text))


def gtest_message(element):
    """The reason without GoogleTest's first line, which is FILE:LINE."""
    lines = (element.get("message") or element.text or "").splitlines()
    if len(lines) > 1 and re.search(r":\d+$", lines[0]):
        lines = lines[1:]
    return "\n".join(lines)


def add_gtest(tier, report):
    """Returns how many tests failed."""
    failures = 0
    for case in report.iter("testcase"):
        if case.get("status") == "notrun":
            continue
        name = f"{case.get('classname')}.{case.get('name')}"
        failure, skip = case.find("failure"), case.find("skipped")
        if failure is not None:
            tier.fail(name, gtest_message(failure))
            failures += 1
        elif skip is not None:
            tier.skip(name, gtest_message(skip))
        else:
            tier.passed += 1
    # A failure outside a test, as in a suite's set-up.
    outside = report.findall("testsuite/failure") + report.findall("failure")
    for failure in outside:
        tier.fail("outside any test", gtest_message(failure))
    return failures + len(outside)


def last_output(case):
    lines = [line.strip() for line in (case.findtext("system-out") or "").splitlines() if line.strip()]
    return lines[-1] if lines else ""


def add_ctest(tier, report, programs):
    for case in report.iter("testcase"):
        name = case.get("name")
        tier.seconds += float(case.get("time") or 0)
        program = programs.pop(name.removeprefix(f"{tier.name}."), None)
        skip, failure = case.find("skipped"), case.find("failure")
        failed = failure is not None or case.get("status") == "fail"
        if program is not None:
            if not add_gtest(tier, program) and failed:
                tier.fail(name, f"the program failed after its tests: {last_output(case)}")
        elif failed:
            reason = failure.get("message") if failure is not None else ""
            tier.fail(name, ": ".join(part for part in (reason, last_output(case)) if part))
        elif skip is not None or case.get("status") in ("notrun", "disabled"):
            reason = skip.get("message") if skip is not None else "disabled"
            if reason and "SKIP_RETURN_CODE" in reason:
                reason = last_output(case)
            tier.skip(name, reason)
        else:
            tier.passed += 1


def read_tier(folder, name):
    tier = Tier(name)
    programs = {}
    for path in sorted(folder.glob("*.xml")):
        try:
            programs[path.stem] = parse(path)
        except ElementTree.ParseError as error:
            tier.fail(path.name, f"unreadable report: {error}")
    for path in sorted(folder.glob("*.junit")):
        try:
            add_ctest(tier, parse(path), programs)
        except ElementTree.ParseError as error:
            tier.fail(path.name, f"unreadable report: {error}")
    for program in programs.values():
        add_gtest(tier, program)

    if (folder / "tier_failed").exists():
        tier.fail(f"{name} tier", (folder / "tier_failed").read_text())
    elif not (folder / "ctest.junit").exists() and name != "hardware":
        tier.fail(f"{name} tier", "ctest left no report")
    if (folder / "kernel_complaints").exists():
        complaints = (folder / "kernel_complaints").read_text()
        if complaints:
            tier.fail("kernel log", complaints)
        elif not (folder / "tier_failed").exists():
            tier.passed += 1
    if name == "hardware":
        if not (tier.passed or tier.failed or tier.skipped):
            tier.skip("hardware tier", (folder / "nothing_run").read_text())
    elif not (tier.passed or tier.failed):
        tier.fail(f"{name} tier", "no test ran, which proves nothing")
    return tier


def print_reasons(title, tiers, attribute):
    """One line for each reason, with the tests that it concerns."""
    lines = []
    for tier in tiers:
        reasons = {}
        for test, reason in getattr(tier, attribute):
            reasons.setdefault(reason, []).append(test)
        for reason, tests in reasons.items():
            more = f" and {len(tests) - 3} more" if len(tests) > 3 else ""
            lines.append(f"  {tier.name}: {', '.join(tests[:3])}{more}: {reason}")
    if lines:
        print(f"\n{title}:", *lines, sep="\n")


def main():
    folder = Path(sys.argv[1])
    tiers = [read_tier(folder / name, name) for name in sys.argv[2:]]
    print(f"\n{'tier':<10} {'run':>6} {'passed':>8} {'failed':>8} {'skipped':>8} {'seconds':>8}")
    for tier in tiers:
        run = tier.passed + len(tier.failed)
        print(f"{tier.name:<10} {run:>6} {tier.passed:>8} {len(tier.failed):>8} {len(tier.skipped):>8} {tier.seconds:>8.1f}")
    print_reasons("Skipped", tiers, "skipped")
    print_reasons("Failed", tiers, "failed")
    failed = sum(len(tier.failed) for tier in tiers)
    passed, skipped = sum(tier.passed for tier in tiers), sum(len(tier.skipped) for tier in tiers)
    print(f"\n{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
