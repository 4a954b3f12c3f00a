#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the instructions that hot paths take against a committed table: see docs/benchmarking.md.

  bench_counts.py RESULT.json [--expected TABLE] [--rows PATTERN]   no row may take more, beside its raw side, than listed
  bench_counts.py RESULT.json [--expected TABLE] --update   writes the table anew

RESULT.json comes from a guest whose clock counts instructions (tests/guest/machines/counted.sh): its nanoseconds are
instructions, those of the kernel included. Exit code: 0 if no row takes more; 1 if one does, or did not run; 2 for a
wrong call or an unreadable file; 77 if the table was made with another compiler, whose code it says nothing about.
"""
import argparse
import fnmatch
import json
import sys
from pathlib import Path

sys.dont_write_bytecode = True
from bench_report import ROOT, Results, Unreadable, print_table, ratio_of  # noqa: E402  (beside this file)

PLAY = 1.02  # what a ratio may differ by from run to run
EXPECTED = ROOT / "bench/expected/guest.json"
ABOUT = ("Instructions an operation in the guest, kernel included: ours, the best raw side's, and their ratio, which "
         "may not grow by more than 2 %. Made by: ./dev bench --counts --update")


def counts_of(results):
    """Row to (us, raw): of each side the repetition with the fewest, since what disturbs only adds."""
    counts = {}
    for name, row in results.rows.items():
        if row.errors:
            raise Unreadable(f"{results.path}: {name} failed: {'; '.join(sorted(set(row.errors)))}")
        raws = [min(samples) for side, samples in row.sides.items() if side.split(":")[0] == "raw"]
        if "us" in row.sides and raws:
            counts[name] = (min(row.sides["us"]), min(raws))
    return counts


def update(path, results, counts):
    table = {"about": ABOUT,
             "compiler": results.context["compiler"],
             "kernel": results.context["kernel"],
             "rows": [{"row": name, "us": round(us, 1), "raw": round(raw, 1), "ratio": round(ratio_of(us, raw), 4)}
                      for name, (us, raw) in counts.items()]}
    lines = json.dumps(table, indent=2).replace('{\n      "row"', '{"row"')
    for key in ("us", "raw", "ratio"):
        lines = lines.replace(f',\n      "{key}"', f', "{key}"')
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(lines.replace("\n    }", "}") + "\n", encoding="utf-8")
    print(f"{len(counts)} rows were written to {path}.")


def check(table, counts, pattern):
    lines, bad = [], []
    for entry in (entry for entry in table["rows"] if fnmatch.fnmatchcase(entry["row"], pattern)):
        name = entry["row"]
        if name not in counts:
            bad.append(f"{name} did not run, and the table has it.")
            continue
        us, raw = counts.pop(name)
        ratio = ratio_of(us, raw)
        worse = ratio > entry["ratio"] * PLAY
        lines.append([name, f"{us:.0f}", f"{raw:.0f}", f"{ratio:.3f}", f"{entry['ratio']:.3f}",
                      "MORE" if worse else "less" if ratio * PLAY < entry["ratio"] else "as listed"])
        if worse:
            bad.append(f"{name} takes {us:.0f} instructions beside {raw:.0f} raw ones: {ratio:.3f} times as many, and "
                       f"{entry['ratio']:.3f} are listed. If that is meant: ./dev bench --counts --update")
    bad += [f"{name} is not in the table: ./dev bench --counts --update" for name in counts]
    print_table(["row", "us", "raw", "ratio", "listed", ""], lines)
    return bad


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("result", help="what the suite wrote in the counted guest")
    parser.add_argument("--expected", type=Path, default=EXPECTED)
    parser.add_argument("--rows", default="*", help="hold only these rows of the table (a shell pattern)")
    parser.add_argument("--update", action="store_true", help="write the table anew")
    arguments = parser.parse_args()
    try:
        results = Results(arguments.result)
        counts = counts_of(results)
        if not counts:
            raise Unreadable(f"{arguments.result}: no row ran")
        if arguments.update:
            update(arguments.expected, results, counts)
            return 0
        table = json.loads(arguments.expected.read_text(encoding="utf-8"))
    except (Unreadable, OSError, ValueError) as error:
        print(f"bench_counts.py: {error}", file=sys.stderr)
        return 2
    if table["compiler"].split(".")[0] != results.context["compiler"].split(".")[0]:
        print(f"The table was made with compiler {table['compiler']}, and this is {results.context['compiler']}.")
        return 77
    bad = check(table, counts, arguments.rows)
    print(*bad, sep="\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
