"""A worker of a group, as a process that may be killed: it notes down what it has handled.

python redis_worker.py BACKEND URL STREAM LOG [CONSUMER] [PREFETCH] [LEASE] [SECONDS]
"""

import os
import random
import signal
import sys

import anyio

from anystream import redis, signals


async def main(
    url: str,
    stream: str,
    log: str,
    consumer: str = "",
    prefetch: str = "16",
    lease: str = "0.5",
    seconds: str = "0.002",
) -> None:
    handled = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def handle(value: dict[str, str]) -> dict[str, str]:
        await anyio.sleep(float(seconds) * random.uniform(0.5, 1.5))
        os.write(handled, f"{value['n']}\n".encode())
        return value

    messages = redis.group(
        stream,
        group="g",
        consumer=consumer or None,
        url=url,
        prefetch=int(prefetch),
        lease=float(lease),
    )
    stopping = signals(signal.SIGTERM)
    await messages.take_until(stopping).handle(handle, concurrency=8, into=f"{stream}:out")


if __name__ == "__main__":
    anyio.run(main, *sys.argv[2:], backend=sys.argv[1])
