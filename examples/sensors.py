"""Make something of what the sensors of a room say: a door, a thermometer, a motion detector.

    python examples/sensors.py [asyncio | trio] [SECONDS]

The sensors are simulated, for five seconds. Each says more than one wants to know: the contact of
the door bounces, the thermometer is noisy, and the detector fires all the time. `debounce`,
`sample` and `throttle` are three ways to have less of it.
"""

import random
import sys
from collections.abc import AsyncIterator
from statistics import fmean

import anyio

from anystream import Stream, merge, stream

# -- what is made of them -----------------------------------------------------------------------


def door(contact: Stream[bool]) -> Stream[str]:
    """Whether the door is open, once its contact has come to rest for 50 ms."""
    settled = contact.debounce(0.05).dedupe()  # it may come to rest as it was
    return settled.map(lambda closed: "the door is closed" if closed else "the door is open")


def warmth(celsius: Stream[float]) -> Stream[str]:
    """The mean of the last ten readings, once a second, and only if it has changed by then."""
    means = celsius.window(10).map(fmean).map(lambda mean: f"it is {mean:.1f} degrees")
    return means.sample(1).dedupe()


def alarm(motion: Stream[bool]) -> Stream[str]:
    """The first sign of motion at once, and no other one for a second after it."""
    return motion.filter(None).throttle(1).map(lambda _: "somebody moves")


def room(contact: Stream[bool], celsius: Stream[float], motion: Stream[bool]) -> Stream[str]:
    """What all of them say, as it comes."""
    return merge(door(contact), warmth(celsius), alarm(motion))


# -- the sensors --------------------------------------------------------------------------------


@stream
async def bouncing_contact() -> AsyncIterator[bool]:
    """A door that opens and closes: each time the contact flutters for some milliseconds."""
    closed = True
    while True:
        await anyio.sleep(random.uniform(0.1, 0.9))
        closed = not closed
        for _ in range(random.randint(2, 6)):
            yield closed
            await anyio.sleep(random.uniform(0.001, 0.01))
            yield not closed
            await anyio.sleep(random.uniform(0.001, 0.01))
        yield closed


@stream
async def noisy_thermometer() -> AsyncIterator[float]:
    """A room that gets warmer, and a sensor that is wrong by half a degree."""
    degrees = 20.0
    while True:
        await anyio.sleep(0.02)
        degrees += 0.002
        yield random.gauss(degrees, 0.5)


@stream
async def motion_detector() -> AsyncIterator[bool]:
    """Looks fifty times a second whether something has moved; now and then there is somebody."""
    while True:
        await anyio.sleep(random.uniform(0.2, 0.8))
        for _ in range(random.randint(10, 30)):
            await anyio.sleep(0.02)
            yield random.random() < 0.7


async def main(seconds: float) -> None:
    sensors = room(bouncing_contact(), noisy_thermometer(), motion_detector())
    start = anyio.current_time()
    async with sensors.timestamp().take_until(seconds) as events:
        async for time, event in events:
            print(f"{time - start:.2f} s  {event}")


if __name__ == "__main__":
    backend = sys.argv[1] if len(sys.argv) > 1 else "asyncio"
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 5.0
    anyio.run(main, seconds, backend=backend)
