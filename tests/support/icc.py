"""Small ICC profiles, and what a colour-managed viewer makes of their colours, computed apart."""

from __future__ import annotations

import struct

import numpy as np

# XYZ of red, green and blue as columns, adapted to D50, as the profiles of these names have them.
SRGB = np.array(
    [[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]]
)
SPACES = {  # matrix, exponent (None: sRGB's curve)
    "display p3": (
        [[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]],
        None,
    ),
    "adobe rgb": (
        [[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]],
        2.19921875,
    ),
    "prophoto": (
        [[0.79767, 0.13519, 0.03134], [0.28804, 0.71188, 0.00009], [0.0, 0.0, 0.82491]],
        1.80078125,
    ),
    "linear": (SRGB, 1.0),
    "swapped channels": (SRGB[:, [1, 2, 0]], None),
}
WHITE = (0.9642, 1.0, 0.8249)


def matrix_profile(matrix, exponent):
    """An RGB profile, version 2."""
    if exponent is None:
        steps = np.linspace(0, 1, 1024)
        table = np.rint(linear(steps) * 65535).astype(">u2").tobytes()
        curve = b"curv" + struct.pack(">4xI", 1024) + table
    else:
        curve = b"curv" + struct.pack(">4xIH", 1, round(exponent * 256)) + b"\0\0"
    columns = zip((b"rXYZ", b"gXYZ", b"bXYZ"), np.asarray(matrix).T, strict=True)
    tags = [(name, xyz(column)) for name, column in columns]
    tags += [(name, curve) for name in (b"rTRC", b"gTRC", b"bTRC")]
    return profile(b"RGB ", b"XYZ ", [(b"wtpt", xyz(WHITE)), *tags])


def grey_profile(exponent):
    curve = b"curv" + struct.pack(">4xIH", 1, round(exponent * 256)) + b"\0\0"
    return profile(b"GRAY", b"XYZ ", [(b"wtpt", xyz(WHITE)), (b"kTRC", curve)])


def cmyk_profile(lightness):
    """A table of two steps an ink: L* of each of its 16 corners by `lightness(c, m, y, k)`."""
    corners = [(c, m, y, k) for c in (0, 1) for m in (0, 1) for y in (0, 1) for k in (0, 1)]
    clut = bytes(
        value for corner in corners for value in (round(lightness(*corner) * 2.55), 128, 128)
    )
    ramp = bytes(range(256))
    identity = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    lut = b"mft1" + bytes(4) + bytes((4, 3, 2, 0)) + identity + 4 * ramp + clut + 3 * ramp
    return profile(b"CMYK", b"Lab ", [(b"wtpt", xyz(WHITE)), (b"A2B0", lut)], kind=b"prtr")


def profile(colours, connection, tags, kind=b"mntr"):
    table, data = b"", b""
    for name, content in tags:
        content += bytes(-len(content) % 4)
        table += name + struct.pack(">II", 132 + 12 * len(tags) + len(data), len(content))
        data += content
    body = struct.pack(">I", len(tags)) + table + data
    head = struct.pack(">I4xI4s4s4s", 128 + len(body), 0x02400000, kind, colours, connection)
    head += bytes(12) + b"acsp" + bytes(28) + xyz(WHITE)[8:]
    return head.ljust(128, b"\0") + body


def xyz(values):
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(float(v) * 65536) for v in values))


def linear(values):
    """sRGB's curve: levels 0–1 → light 0–1."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def shown(pixels, matrix, exponent):
    """(h, w, 3) levels of a space → uint8 levels of sRGB, straight from the definitions."""
    levels = np.asarray(pixels) / 255
    light = linear(levels) if exponent is None else levels**exponent
    return encoded(light @ np.asarray(matrix).T @ np.linalg.inv(SRGB).T)


def encoded(light):
    """Light 0–1 → uint8 levels of sRGB."""
    light = np.clip(light, 0, 1)
    levels = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.rint(levels * 255).astype(np.uint8)
