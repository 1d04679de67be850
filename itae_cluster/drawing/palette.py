"""Label → colour, the same in the picture and on the page.

The first six are from Okabe & Ito's palette for colour-blind readers, without its yellow and black,
which vanish on white and on dark grounds. Four more were chosen to stay apart from those and from
each other under simulated protanopia, deuteranopia and tritanopia. After ten no palette can promise
that; Glasbey's colours (colorcet) continue, and repeat when they are used up.
"""

from __future__ import annotations

import functools

from itae_cluster.core.types import NOISE

__all__ = ["NOISE_COLOUR", "colour", "ink_on"]

NOISE_COLOUR = "#c4c8cd"

_FIRST = (
    "#0072b2",  # blue
    "#e69f00",  # orange
    "#009e73",  # bluish green
    "#d55e00",  # vermilion
    "#cc79a7",  # reddish purple
    "#56b4e9",  # sky blue
    "#75563a",  # brown
    "#99106c",  # magenta
    "#4331c9",  # indigo
    "#9678ff",  # lilac
)
_LUMINANCE = (0.07, 0.60)  # darker is lost on a dark page, lighter on a white one
_LEAST_STEP = 60.0  # between two colours, of 442 from black to white
_INK_SWITCH = 0.36  # above, black text reads better than white


def colour(label: int) -> str:
    """`#rrggbb` of a cluster, for any label; `NOISE_COLOUR` for pictures of no cluster."""
    if label <= NOISE:
        return NOISE_COLOUR
    if label < len(_FIRST):
        return _FIRST[label]
    every = _every()
    return every[label % len(every)]


def ink_on(ground: str) -> str:
    """Black or white, whichever reads better on the `#rrggbb` ground."""
    return "#000000" if _luminance(ground) > _INK_SWITCH else "#ffffff"


@functools.cache
def _every() -> tuple[str, ...]:
    # colorcet imports matplotlib where it finds it: not before a preview is drawn.
    from colorcet import b_glasbey_bw_minc_20

    chosen = list(_FIRST)
    for candidate in b_glasbey_bw_minc_20:
        visible = _LUMINANCE[0] < _luminance(candidate) < _LUMINANCE[1]
        taken = (*_FIRST, NOISE_COLOUR)
        if visible and all(_step(candidate, other) >= _LEAST_STEP for other in taken):
            chosen.append(candidate)
    return tuple(chosen)


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _step(first: str, second: str) -> float:
    pairs = zip(_rgb(first), _rgb(second), strict=True)
    return float(sum((a - b) ** 2 for a, b in pairs) ** 0.5)


def _luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it, 0–1."""
    red, green, blue = (_linear(channel / 255) for channel in _rgb(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else float(((channel + 0.055) / 1.055) ** 2.4)
