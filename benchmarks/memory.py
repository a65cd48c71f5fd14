"""Peak memory over many items, less that over few, each in a process of its own.

As a program: python benchmarks/memory.py BACKEND ITEMS prints the peak of one run, in bytes.
"""

import resource
import sys
from pathlib import Path

import anyio
from measure import BACKENDS, Case, Figure
from segment import looped

FEW = 10_000
MANY = 10_000_000


async def growth(backend: str, quick: bool) -> Figure:
    """Of pairs of runs, in MiB."""
    many = MANY // 10 if quick else MANY
    pairs = [(await peak(backend, many), await peak(backend, FEW)) for _ in range(2)]
    remark = " / ".join(f"{max(side) / 2**20:.1f}" for side in zip(*pairs, strict=True))
    return Figure([(a - b) / 2**20 for a, b in pairs], f"{remark} MiB")


async def peak(backend: str, items: int) -> int:
    done = await anyio.run_process([sys.executable, __file__, backend, str(items)], stderr=None)
    return int(done.stdout)


def own_peak() -> int:
    """The most bytes of memory that this process has had."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux, where `ru_maxrss` begins with what the parent process had
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS


CASES = (
    Case(
        "memory",
        "peak memory over 10 million items",
        "over 10 thousand",
        {(3, 11): 1.0},
        growth,
        unit="MiB",
    ),
)

if __name__ == "__main__":
    anyio.run(looped, int(sys.argv[2]), **BACKENDS[sys.argv[1]])
    print(own_peak())
