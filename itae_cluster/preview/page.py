"""`preview.html`: the map as one file that needs no network and no server.

The data travel as JSON in an element the browser does not run, and its script is the only one the
page's own Content-Security-Policy allows: a file name can be anything and stays text.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import math
from importlib import resources
from typing import TYPE_CHECKING, Any

from itae_cluster.drawing.layout import to_unit_square
from itae_cluster.drawing.palette import ink_on
from itae_cluster.names import printable
from itae_cluster.preview.groups import list_groups
from itae_cluster.preview.saving import save

if TYPE_CHECKING:
    import jinja2

    from itae_cluster.preview.data import PreviewData
    from itae_cluster.preview.groups import Group

__all__ = ["write_page"]

_DIGITS = 5  # of a coordinate in 0–1: a hundredth of a pixel on a wide screen

# Inside <script> only `</script` and `<!--` would be understood as HTML; `&` and the two line
# separators are escaped for readers that treat the file as XHTML or the data as JavaScript.
_ESCAPES = str.maketrans({c: f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"})


def write_page(data: PreviewData, path: str) -> None:
    """Write `preview.html`. The same data give the same bytes.

    Args:
        data: what to show. A picture without a thumbnail is shown by its name alone.
        path: the file to write.

    Raises:
        OutputError: the file cannot be written.
    """
    save(_render(data).encode("utf-8"), path)


def _render(data: PreviewData) -> str:
    from markupsafe import Markup

    script, style = _part("page.js"), _part("page.css")
    return _template().render(
        title=printable(data.title),
        subtitle=printable(data.subtitle),
        policy=_policy(script, style),
        style=Markup(style),
        script=Markup(script),
        data=Markup(_to_json(_payload(data))),
    )


def _policy(script: str, style: str) -> str:
    """Nothing may be loaded or run but this script, this style sheet and inline images."""
    return (
        f"default-src 'none'; img-src data:; script-src '{_digest(script)}'; "
        f"style-src '{_digest(style)}'; base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode()


def _payload(data: PreviewData) -> dict[str, Any]:
    """What page.js reads. One list per column: a tenth of the size of one object per picture."""
    groups = list_groups(data)
    position = {group.label: number for number, group in enumerate(groups)}
    places = to_unit_square(data.coordinates)
    thumbnails = (data.thumbnails.get(index) for index in range(len(data.names)))
    return {
        "groups": [_group(group) for group in groups],
        "x": [round(value, _DIGITS) for value in places[:, 0].tolist()],
        "y": [round(1 - value, _DIGITS) for value in places[:, 1].tolist()],
        "group": [position[label] for label in data.labels.tolist()],
        "name": [printable(name) for name in data.names],
        "distance": [_number(value) for value in data.distances.tolist()],
        "thumbnail": [None if jpeg is None else _base64(jpeg) for jpeg in thumbnails],
    }


def _group(group: Group) -> dict[str, Any]:
    return {
        "number": None if group.is_noise else group.label,
        "folder": group.folder,
        "count": group.count,
        "colour": group.colour,
        "ink": ink_on(group.colour),
        "anchor": group.anchor,
        "typical": group.typical[0] if group.typical else None,
    }


def _number(value: float) -> float | None:
    """JSON knows no NaN."""
    return round(value, _DIGITS) if math.isfinite(value) else None


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _to_json(payload: dict[str, Any]) -> str:
    text = json.dumps(payload, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.translate(_ESCAPES)


@functools.cache
def _template() -> jinja2.Template:
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    return environment.from_string(_part("page.html.j2"))


def _part(name: str) -> str:
    return resources.files("itae_cluster.preview").joinpath(name).read_text(encoding="utf-8")
