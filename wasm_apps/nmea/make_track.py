"""Makes track.nmea: an invented walk of four minutes, one GGA, RMC and VTG a second.

Run `python make_track.py > track.nmea`; the same bytes come out each time.
"""

import math
import sys
from collections.abc import Iterator

START = (54.1750, 12.0890)
"""Degrees north and east: a promenade by the sea."""
SECONDS = 240
METRES_PER_DEGREE = 111_320.0
KNOT = 1852 / 3600


def sentence(body: str) -> str:
    """The body with `$`, checksum and line end."""
    checksum = 0
    for byte in body.encode():
        checksum ^= byte
    return f"${body}*{checksum:02X}\r\n"


def angle(value: float, digits: int, letters: str) -> str:
    """`ddmm.mmmm,H` of degrees; `letters` are those of the positive and the negative half."""
    degrees, minutes = divmod(abs(value) * 60, 60)
    return f"{int(degrees):0{digits}d}{minutes:07.4f},{letters[value < 0]}"


def walk() -> Iterator[tuple[int, float, float, float, float]]:
    """Second, latitude, longitude, speed in m/s and course in degrees of each step."""
    latitude, longitude = START
    for second in range(SECONDS):
        speed = 1.4 + 0.3 * math.sin(second / 17)
        course = (70 + 40 * math.sin(second / 60)) % 360
        yield second, latitude, longitude, speed, course
        latitude += speed * math.cos(math.radians(course)) / METRES_PER_DEGREE
        metres = METRES_PER_DEGREE * math.cos(math.radians(latitude))
        longitude += speed * math.sin(math.radians(course)) / metres


def track() -> str:
    """The whole recording."""
    lines: list[str] = []
    for second, latitude, longitude, speed, course in walk():
        minutes, seconds = divmod(second, 60)
        clock = f"10{minutes:02d}{seconds:02d}.00"
        place = f"{angle(latitude, 2, 'NS')},{angle(longitude, 3, 'EW')}"
        satellites = 8 + second // 40 % 3
        altitude = 3.5 + math.sin(second / 30)
        knots = speed / KNOT
        lines += [
            sentence(f"GPGGA,{clock},{place},1,{satellites:02d},0.9,{altitude:.1f},M,39.2,M,,"),
            sentence(f"GPRMC,{clock},A,{place},{knots:.2f},{course:.1f},140626,,,A"),
            sentence(f"GPVTG,{course:.1f},T,,M,{knots:.2f},N,{speed * 3.6:.2f},K,A"),
        ]
    return "".join(lines)


if __name__ == "__main__":
    sys.stdout.write(track())
