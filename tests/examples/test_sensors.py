"""examples/sensors.py: what is made of the sensors, as timelines in virtual time."""

import random
from itertools import pairwise

import anyio
import pytest

import sensors
from anystream import Stream
from anystream.testing import assert_marbles, marbles
from sensors import alarm, door, room, warmth

STATES = {"1": True, "0": False}
DOOR = {"c": "the door is closed", "o": "the door is open"}


@pytest.mark.parametrize(
    ("contact", "said"),
    [
        ("0-----------|", "-----o------|"),
        ("01010-------|", "---------o--|"),  # it bounces
        ("0---1---0-----|", "-------------o|"),  # it does not come to rest in between
        ("0-------1---------|", "-----o-------c----|"),
        ("0-------10---------|", "-----o-------------|"),  # it comes to rest as it was
    ],
)
async def test_the_door_is_as_its_contact_has_come_to_rest(contact: str, said: str) -> None:
    stream = door(marbles(contact, frame=0.01, values=STATES))
    await assert_marbles(stream, said, frame=0.01, values=DOOR)


async def test_the_warmth_is_a_mean_once_a_second() -> None:
    celsius = Stream([20.0] * 10 + [21.0] * 10 + [25.0] * 20).spaced(0.1).delay(0.05)
    said = warmth(celsius).timestamp()
    start = anyio.current_time()
    assert [(round(time - start, 2), text) for time, text in await said.collect()] == [
        (1, "it is 20.0 degrees"),
        (2, "it is 21.0 degrees"),
        (3, "it is 25.0 degrees"),  # and so it is a second later
    ]


@pytest.mark.parametrize(
    ("motion", "said"),
    [
        ("0--0--|", "------|"),
        ("0-1--11--1-----|", "--m------------|"),
        ("1---------1-1---|", "m---------m-----|"),
    ],
)
async def test_the_alarm_is_given_at_once_and_not_again(motion: str, said: str) -> None:
    stream = alarm(marbles(motion, frame=0.1, values=STATES))
    await assert_marbles(stream, said, frame=0.1, values={"m": "somebody moves"})


async def test_the_room_says_what_all_of_them_say() -> None:
    contact = marbles("1-------------0---------------|", frame=0.05, values=STATES)
    celsius = marbles("aaaaaaaaaa--------------------|", frame=0.05, values={"a": 20.0})
    motion = marbles("-----1--1-----------------11--|", frame=0.05, values=STATES)
    said = "-c---m---------o----w-----m---|"
    values = {**DOOR, "m": "somebody moves", "w": "it is 20.0 degrees"}
    await assert_marbles(room(contact, celsius, motion), said, frame=0.05, values=values)


async def test_simulated_sensors_say_less_than_they_measure(
    capsys: pytest.CaptureFixture[str],
) -> None:
    random.seed(1)
    await sensors.main(60)
    said = [line.partition(" s  ")[2] for line in capsys.readouterr().out.splitlines()]
    doors = [text for text in said if text.startswith("the door")]
    assert doors[0] == "the door is open"
    assert all(a != b for a, b in pairwise(doors))
    assert 30 < len(doors) < 600
    assert 10 < said.count("somebody moves") <= 60
    assert 10 < sum(text.startswith("it is") for text in said) <= 60
