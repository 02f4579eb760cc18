"""What an upload's coded samples become in BT.709: the judge's own arithmetic on raw planes.

In: matrices, ranges, primaries and transfer curves (ITU-T H.273, SMPTE ST 2084, ITU-R BT.2100), and the tone curve that
was decided for HDR. Out: how the planes are read (`upload_pictures.py`).
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from codex_assets.media import profile
from codex_assets.media.facts import VideoStream

Planes: TypeAlias = NDArray[np.float32]
"""Planes of several pictures, of (pictures, planes, rows, columns), 0 to 255: three, and one of alpha where there is
one."""

BT709 = (0.2126, 0.0722)
MATRICES = {
    "bt709": BT709,
    "smpte170m": (0.299, 0.114),
    "bt470bg": (0.299, 0.114),
    "fcc": (0.30, 0.11),
    "smpte240m": (0.212, 0.087),
    "bt2020nc": (0.2627, 0.0593),
    "bt2020c": (0.2627, 0.0593),
}
"""The parts of red and blue in luma (ITU-T H.273 table 4)."""
OTHER_MATRICES = ("ycgco", "ictcp")
D65 = (0.3127, 0.3290)
PRIMARIES = {
    "bt709": ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), D65),
    "bt2020": ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), D65),
    "smpte431": ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351)),
    "smpte432": ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), D65),
}
"""Chromaticities of red, green, blue and white (ITU-T H.273 table 2) of those that are converted."""
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
DISPLAY_GAMMA = 2.4
"""ITU-R BT.1886."""
HLG_PEAK_NITS = 1000.0
HLG_SYSTEM_GAMMA = 1.2
KNEE = 0.3
"""Of the tone curve, from which on it bends (ffmpeg's Moebius transform)."""
PEAKS = (100.0, 49.26, 40.0, 20.0, 10.0, 4.926, 4.0, 2.0)
"""Peaks that HDR may be said to have, over SDR's white."""

STRONG, EDGE = 0.5, 0.04
"""Distance of the colours of a pixel, and of one of them from its end: of 1."""


def is_rgb(video: VideoStream) -> bool:
    """Whether a picture is coded in anything but luma and two differences: ffmpeg then only has to unpack it."""
    name = video.pixel_format or ""
    return not name.startswith(
        ("yuv", "nv1", "nv2", "nv4", "p0", "p2", "p4", "y2", "uyvy", "yvyu", "vyu", "xv", "ayuv")
    )


def is_converted(video: VideoStream) -> bool:
    """Whether its light is converted, not only its samples: then what becomes of edges depends on the order of work."""
    return video.hdr or (video.primaries in PRIMARIES and video.primaries != "bt709") or video.has_alpha


def has_arithmetic(video: VideoStream) -> bool:
    """Whether there is arithmetic here for such a picture."""
    if video.has_own_colours or video.dolby_vision is not None or video.matrix in OTHER_MATRICES:
        return False
    # ffmpeg rounds the colours of palettes by up to four levels.
    return video.pixel_format != "pal8"


def in_bt709(planes: Planes, video: VideoStream, peak: float = PEAKS[0]) -> Planes:
    """Planes as the upload codes them, as BT.709 in limited range. `peak`: of HDR, over SDR's white."""
    coded = planes[:, :3]
    if _keeps_matrix(video):
        return _in_limited_range(coded) if is_full(video) else coded
    full, matrix = is_full(video), _matrix(video)
    light = coded / np.float32(255) if is_rgb(video) else _to_rgb(coded, *matrix, full=full)
    # Whatever converts it goes through red, green and blue, and keeps nothing brighter than white.
    colours: Planes = np.clip(light, np.float32(0), np.float32(1))
    if video.has_alpha:
        # Straight alpha over black.
        colours = colours * planes[:, 3:] / np.float32(255)
    if video.hdr:
        colours = _displayed(_to_bt709_light(_toned_light(colours, video), video, peak))
    elif is_converted(video) and not video.has_alpha:
        colours = _displayed(_to_bt709_light(colours ** np.float32(DISPLAY_GAMMA), video, None))
    return _from_rgb(colours.astype(np.float32))


def luma_factor(video: VideoStream) -> float:
    """By how much a difference in coded luma is another in BT.709 of limited range."""
    return 219 / 255 if is_rgb(video) or is_full(video) else 1.0


def has_half_colours(video: VideoStream) -> bool:
    """Whether its colours have half the size, as those that are delivered."""
    return (video.pixel_format or "").startswith(("yuv420", "yuvj420", "nv12", "p010"))


def is_bt709(video: VideoStream) -> bool:
    """Whether a picture is coded as it is delivered, in 4:2:0: nothing is to be converted."""
    return has_half_colours(video) and not (is_full(video) or is_converted(video)) and _matrix(video) == BT709


def _keeps_matrix(video: VideoStream) -> bool:
    """Whether its luma and differences are delivered, if in another range: then nothing goes through red, green and
    blue, and colours that those do not hold stay as they are coded. A display cuts them off."""
    return not (is_rgb(video) or is_converted(video)) and _matrix(video) == BT709


def is_full(video: VideoStream) -> bool:
    """Whether its samples take the whole range of numbers."""
    return (video.pixel_format or "").startswith("yuvj") or video.color_range == "pc"


def _matrix(video: VideoStream) -> tuple[float, float]:
    return MATRICES.get(video.matrix or "", _guessed(video))


def _guessed(video: VideoStream) -> tuple[float, float]:
    """The matrix of an upload that names none: by its size, as everybody does."""
    if video.hdr or video.primaries == "bt2020":
        return MATRICES["bt2020nc"]
    high = video.coded_width >= profile.HD_WIDTH or video.coded_height > profile.SD_LINES
    wide = video.primaries in PRIMARIES and video.primaries != "bt709"
    return BT709 if high or wide else MATRICES["smpte170m"]


def _to_rgb(planes: Planes, red: float, blue: float, *, full: bool) -> Planes:
    """Red, green and blue, 0 to 1 (ITU-T H.273, equations of E'Y, E'PB and E'PR)."""
    luma = planes[:, 0] / 255 if full else (planes[:, 0] - 16) / 219
    u, v = ((planes[:, plane] - 128) / (255 if full else 224) for plane in (1, 2))
    r, b = luma + (2 - 2 * red) * v, luma + (2 - 2 * blue) * u
    return np.stack([r, (luma - red * r - blue * b) / (1 - red - blue), b], axis=1)


def edge_share(planes: Planes) -> NDArray[np.float32]:
    """Of each picture in BT.709, the part whose strong colours lie at the edge of what red, green and blue hold: noise
    on them is cut off where a matrix is converted."""
    colours = _to_rgb(planes, *BT709, full=False)
    least, most = colours.min(axis=1), colours.max(axis=1)
    at_edge = (most - least > STRONG) & ((least < EDGE) | (most > 1 - EDGE))
    share: NDArray[np.float32] = at_edge.mean(axis=(1, 2), dtype=np.float32)
    return share


def _in_limited_range(planes: Planes) -> Planes:
    """Luma and two differences of full range (ITU-T H.273, equations of E'Y, E'PB and E'PR)."""
    luma, differences = 16 + planes[:, :1] * (219 / 255), 128 + (planes[:, 1:] - 128) * (224 / 255)
    limited: Planes = np.concatenate([luma, differences], axis=1).astype(np.float32)
    return limited


def _from_rgb(colours: Planes) -> Planes:
    red, blue = map(np.float32, BT709)
    luma = red * colours[:, 0] + (1 - red - blue) * colours[:, 1] + blue * colours[:, 2]
    u, v = (colours[:, 2] - luma) / (2 - 2 * blue), (colours[:, 0] - luma) / (2 - 2 * red)
    converted: Planes = np.stack([16 + 219 * luma, 128 + 224 * u, 128 + 224 * v], axis=1).astype(np.float32)
    return converted


# --- Light ------------------------------------------------------------------------------------------------------------


def _toned_light(colours: Planes, video: VideoStream) -> Planes:
    """Linear light of HDR, 1 for SDR's white."""
    if video.transfer == "smpte2084":
        m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
        power = colours ** np.float32(1 / m2)
        light = (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** np.float32(1 / m1) * 10_000
    else:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        scene = np.where(colours <= 0.5, colours * colours / 3, (np.exp((colours - c) / a) + b) / 12)
        luminance = 0.2627 * scene[:, :1] + 0.6780 * scene[:, 1:2] + 0.0593 * scene[:, 2:3]
        light = scene * np.maximum(luminance, 1e-6) ** (HLG_SYSTEM_GAMMA - 1) * HLG_PEAK_NITS
    toned: Planes = (light / profile.HDR_PEAK_NITS).astype(np.float32)
    return toned


def _to_bt709_light(light: Planes, video: VideoStream, peak: float | None) -> Planes:
    """Linear light of BT.709's primaries, brought under 1 by the tone curve where there is a `peak`."""
    primaries = video.primaries if video.primaries in PRIMARIES else "bt2020" if video.hdr else "bt709"
    if primaries != "bt709":
        light = np.einsum("ij,njhw->nihw", _between(primaries, "bt709").astype(np.float32), light)
    if peak is None:
        return light
    brightest = np.maximum(light.max(axis=1, keepdims=True), 1e-6)
    a = -KNEE * KNEE * (peak - 1) / (KNEE * KNEE - 2 * KNEE + peak)
    b = (KNEE * KNEE - 2 * KNEE * peak + peak) / max(peak - 1, 1e-6)
    curved = (b * b + 2 * b * KNEE + KNEE * KNEE) / (b - a) * (brightest + a) / (brightest + b)
    toned: Planes = light * np.where(brightest <= KNEE, 1, curved / brightest)
    return toned


def _displayed(light: Planes) -> Planes:
    shown: Planes = np.clip(light, 0, 1) ** np.float32(1 / DISPLAY_GAMMA)
    return shown


def _between(source: str, target: str) -> NDArray[np.float64]:
    """The matrix from one set of primaries to another, whites adapted (Bradford)."""
    matrices = []
    for name in (source, target):
        corners = np.array([[x / y, 1, (1 - x - y) / y] for x, y in PRIMARIES[name]]).T
        matrices.append(corners[:, :3] * np.linalg.solve(corners[:, :3], corners[:, 3]))
    whites = [BRADFORD @ np.array([x / y, 1, (1 - x - y) / y]) for x, y in (PRIMARIES[source][3], PRIMARIES[target][3])]
    adaptation = np.linalg.inv(BRADFORD) @ np.diag(whites[1] / whites[0]) @ BRADFORD
    between: NDArray[np.float64] = np.linalg.solve(matrices[1], adaptation @ matrices[0])
    return between
