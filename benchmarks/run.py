"""Print how fast the streams are beside their rivals: python benchmarks/run.py [CASE ...]"""

import argparse
import json
import os
import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import anyio
from cases import CASES
from measure import BACKENDS, Case

PACKAGES = ("anyio", "trio", "httpx", "aiostream", "streamable", "uvloop")
DEFAULT_BACKENDS = ["asyncio", "trio"]
LINE = "{:18} {:54} {:39} {:>8} {:>14} {:>8}  {:9} {}"


def main() -> int:
    options = arguments()
    machine = surroundings()
    for name, value in machine.items():
        print(f"{name}: {value}")
    rows: list[dict[str, Any]] = []
    for backend in options.backend or DEFAULT_BACKENDS:
        print(f"\n{backend}")
        print(LINE.format("case", "what", "against", "median", "quartiles", "limit", "", "remark"))
        for case in chosen(options.cases, backend):
            row = measured(case, backend, options.quick)
            print(in_words(row, case), flush=True)
            rows.append(row)
    if options.json:
        options.json.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1) + "\n")
    return int(options.strict and not all(row["ok"] for row in rows))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Print the figures, as ratios.")
    parser.add_argument("cases", nargs="*", help="run only the cases with this in their name")
    parser.add_argument("--backend", action="append", choices=BACKENDS, help="may be repeated")
    parser.add_argument("--quick", action="store_true", help="fewer items and pairs")
    parser.add_argument("--strict", action="store_true", help="exit code 1 if a limit is missed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample there")
    options = parser.parse_args()
    for part in options.cases:
        if not any(part in case.name for case in CASES):
            parser.error(f"no case is named like {part!r}: {', '.join(c.name for c in CASES)}")
    return options


def surroundings() -> dict[str, str]:
    return {
        "machine": f"{platform.platform()}, {os.cpu_count()} CPUs, {processor()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": ", ".join(f"{name} {installed(name)}" for name in PACKAGES),
        "load": " ".join(f"{load:.1f}" for load in os.getloadavg()),
    }


def processor() -> str:
    known = Path("/proc/cpuinfo")
    lines = known.read_text().splitlines() if known.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()


def installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


def chosen(parts: list[str], backend: str) -> Iterator[Case]:
    for case in CASES:
        if backend in case.backends and (not parts or any(part in case.name for part in parts)):
            yield case


def measured(case: Case, backend: str, quick: bool) -> dict[str, Any]:
    figure = anyio.run(case.measure, backend, quick, **BACKENDS[backend])
    return {
        "case": case.name,
        "backend": backend,
        "median": figure.middle,
        "quartiles": figure.quartiles,
        "limit": case.limit,
        "unit": case.unit,
        "ok": figure.middle <= case.limit,
        "remark": figure.remark,
        "samples": figure.samples,
    }


def in_words(row: dict[str, Any], case: Case) -> str:
    return LINE.format(
        case.name,
        case.what,
        case.against,
        f"{row['median']:.3f}",
        "{:.3f}-{:.3f}".format(*row["quartiles"]),
        f"{row['limit']:.3g} {case.unit}".strip(),
        "ok" if row["ok"] else "MISSED",
        row["remark"],
    )


if __name__ == "__main__":
    sys.exit(main())
