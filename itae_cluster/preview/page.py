"""`preview.html`: the map as one file that needs no network and no server.

The data travel as JSON and base64 in elements the browser does not run, and the page's own
Content-Security-Policy allows no script but those it names by their digests: a file name can be
anything and stays text. Sheets of thumbnails come last, so the map is there before they are read.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from importlib import resources
from typing import TYPE_CHECKING

from itae_cluster.core.files import write_file
from itae_cluster.core.text import printable
from itae_cluster.preview.atlas import make_atlas
from itae_cluster.preview.payload import make_payload, to_json

if TYPE_CHECKING:
    import jinja2

    from itae_cluster.preview.atlas import Atlas
    from itae_cluster.preview.data import PreviewData

__all__ = ["SCRIPTS", "render_page", "write_page"]

SCRIPTS = (
    "vendor.min.js",
    "data.js",
    "edit.js",
    "sheets.js",
    "map.js",
    "thumbnails.js",
    "files.js",
    "captions.js",
    "details.js",
    "search.js",
    "lists.js",
    "selection.js",
    "names.js",
    "ticks.js",
    "send.js",
    "changes.js",
    "levels.js",
    "duplicates.js",
    "time.js",
    "lightbox.js",
    "address.js",
    "main.js",
)
"""The scripts of the page in the order they run; the first is other people's work."""


def write_page(data: PreviewData, path: str, atlas: Atlas | None = None) -> None:
    """Write `preview.html`. The same data give the same bytes.

    Args:
        data: what to show. A picture without a thumbnail is shown by its name alone.
        path: the file to write.
        atlas: of the data, where it is made already.

    Raises:
        OutputError: the file cannot be written.
    """
    write_file(render_page(data, atlas or make_atlas(data)), path)


def render_page(data: PreviewData, atlas: Atlas) -> bytes:
    """The bytes of `preview.html`, with the thumbnails of `atlas`."""
    from markupsafe import Markup

    scripts = [_asset(name) for name in SCRIPTS]
    style = _asset("page.css")
    text = _template().render(
        title=printable(data.title),
        subtitle=printable(data.subtitle),
        policy=_policy(scripts, style),
        style=Markup(style),
        scripts=[Markup(script) for script in scripts],
        data=Markup(to_json(make_payload(data, atlas))),
        sheets=[base64.b64encode(sheet).decode("ascii") for sheet in atlas.sheets],
    )
    return text.encode("utf-8")


def _policy(scripts: list[str], style: str) -> str:
    """Nothing may be loaded or run but these scripts, this style sheet, and pictures.

    Pictures are inline, or lie beside the page: `file:` where it is opened from a disk, 'self'
    where a server gives it away.
    """
    digests = " ".join(f"'{_digest(script)}'" for script in scripts)
    return (
        f"default-src 'none'; img-src 'self' file: data: blob:; script-src {digests}; "
        f"style-src '{_digest(style)}'; base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode()


@functools.cache
def _template() -> jinja2.Template:
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_asset("page.html.j2"))


def _asset(name: str) -> str:
    folder = resources.files("itae_cluster.preview").joinpath("assets")
    return folder.joinpath(name).read_text(encoding="utf-8")
