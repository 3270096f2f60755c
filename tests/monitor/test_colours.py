"""The dark colours stand twice in the styles, for the device's choice and for the switch: both can be read."""

import re

from alodial.monitor.static_files import FOLDER


def _light(colour: str) -> float:
    """Relative luminance, as WCAG 2 counts it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(first: str, second: str) -> float:
    dark, light = sorted((_light(first), _light(second)))
    return (light + 0.05) / (dark + 0.05)


def test_each_colour_of_a_dark_chart_stands_out_from_its_card_and_from_its_track() -> None:
    styles = (FOLDER / "monitor.css").read_text("utf-8")
    blocks = re.findall(r":root(?:|:not\(\[data-colours\]\)|\[data-colours=dark\])\{(.*?)\}", styles, re.DOTALL)
    light, device, switch = (dict(re.findall(r"(--[\w-]+):(#[0-9a-f]{6})\b", block)) for block in blocks)
    assert device == switch
    colours = light | device
    for name in {name for name in colours if name.startswith("--c-")} - {"--c-to-come"} | {"--link"}:
        assert _contrast(colours[name], colours["--card"]) >= 3, name
        assert _contrast(colours[name], colours["--line"]) >= 3, name
