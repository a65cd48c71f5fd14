"""Time the streams beside their rivals, on each backend: python benchmarks/run.py [CASE ...]

`run.py backends` has each case and its floor alone, as a ratio to asyncio, in two minutes.
`run.py compare BASE NEW` says what has changed between two results beyond their noise.
"""

import argparse
import logging
import re
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import charts
import report
from cases import CASES
from cases.abilities import abilities
from measure import BACKENDS, BRIEF, FULL, QUICK, Case, Rounds, pin

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parents[1] / "docs/benchmarks.md"
BETWEEN = re.compile(r"(?<=<!-- backends -->\n\n).*(?=\n\n<!-- end -->)", re.DOTALL)
"""Where the page has the table of the backends."""


def main() -> int:
    if sys.argv[1:2] == ["compare"] and len(sys.argv) == 4:
        return compare(sys.argv[2:])
    warnings.simplefilter("ignore")  # peers leave generators and coroutines behind
    logging.disable()  # and tasks whose errors nobody has seen
    if sys.argv[1:] == ["backends"]:
        return backends()
    return run(arguments())


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        epilog="backends: they alone, in two minutes;"
        " compare BASE NEW: what has changed between two files of --json"
    )
    parser.add_argument("cases", nargs="*", help="only those with this in their name, or a family")
    parser.add_argument("--backend", action="append", choices=BACKENDS, help="may be repeated")
    parser.add_argument("--quick", action="store_true", help="a first look: a minute")
    parser.add_argument(
        "--strict", action="store_true", help="exit with 1 if a full run misses a limit"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep every sample there")
    parser.add_argument("--publish", action="store_true", help="write results/, and to docs/")
    parser.add_argument("--list", action="store_true", help="name the cases and their sides")
    options = parser.parse_args()
    for part in options.cases:
        if not any(chosen(case, [part]) for case in CASES):
            parser.error(f"no case is named like {part!r}; --list names them")
    return options


def chosen(case: Case, parts: list[str]) -> bool:
    return not parts or any(part in case.name or part == case.family for part in parts)


def run(options: argparse.Namespace) -> int:
    cases = [case for case in CASES if chosen(case, options.cases)]
    if options.list:
        for case in cases:
            print(f"{case.family:12} {case.name:24} {', '.join(case.sides)}")
        return 0
    backends = options.backend or list(BACKENDS)
    results = report.Report.new(backends, pin(), quick=options.quick)
    print(report.heading(results))
    began = perf_counter()
    for case in cases:
        results.add(case, Rounds(case, backends, QUICK if options.quick else FULL).run())
        print(report.line(results, case.name), flush=True)
    print(f"{perf_counter() - began:,.0f} s")
    if options.json:
        results.save(options.json)
    if options.publish:
        (RESULTS / "README.md").write_text(report.markdown(results, abilities()))
        table = "\n".join(report.beside(results, report.bordered))
        PAGE.write_text(BETWEEN.sub(lambda _: table, PAGE.read_text()))
        charts.draw(results, RESULTS)
    if options.quick:  # at so few items the start is what counts
        return 0
    missed = report.missed(results)
    print("\n".join(missed))
    return int(options.strict and bool(missed))


def backends() -> int:
    results = report.Report.new(list(BACKENDS), pin(), quick=True)
    for case in CASES:
        if case.unit == "ns" and case.family != "http" and "trio" in case.backends:
            floor = "floor" if "floor" in case.sides else "memory stream"
            shown = (next(iter(case.sides)), floor)
            sides = {name: side for name, side in case.sides.items() if name in shown}
            results.add(case, Rounds(replace(case, sides=sides), list(BACKENDS), BRIEF).run())
    print("\n".join(report.beside(results, report.aligned)))
    return 0


def compare(paths: list[str]) -> int:
    base, new = (report.Report.load(Path(path)) for path in paths)
    if base.environment["kind"] != new.environment["kind"]:
        sys.exit("a quick and a full run have other numbers of items")
    print("\n".join(report.changes(base, new)) or "nothing has changed beyond the noise")
    return 0


if __name__ == "__main__":
    sys.exit(main())
