"""A result to look at: the page, the picture, the contact sheets.

    collection                    a whole result: pictures, vectors, clusters, places
    data      what all are drawn from
    subset    which pictures, where there are too many
    groups    one record per cluster, as all list it
    thumbnails                    small JPEGs, kept while pictures pass by
    legend, map_view, picture     → preview.png
    contact                       → contact/cluster-007.jpg
    atlas, payload, page          → preview.html (its parts lie in assets/)
    reading                       preview.html → data and atlas, for redrawing it
    build, redraw, extend         a run, a changed result, an update → the previews

The same data give the same bytes: no file holds a date or a version.
"""

from __future__ import annotations

from itae_cluster.preview.atlas import Atlas, make_atlas
from itae_cluster.preview.contact import render_contact_sheet, sheet_name, write_contact_sheets
from itae_cluster.preview.data import PreviewData
from itae_cluster.preview.groups import Group, list_groups
from itae_cluster.preview.page import render_page, write_page
from itae_cluster.preview.picture import render_picture, write_picture
from itae_cluster.preview.reading import read_page
from itae_cluster.preview.subset import MOST_SHOWN, rows_to_show

__all__ = [
    "MOST_SHOWN",
    "Atlas",
    "Group",
    "PreviewData",
    "list_groups",
    "make_atlas",
    "read_page",
    "render_contact_sheet",
    "render_page",
    "render_picture",
    "rows_to_show",
    "sheet_name",
    "write_contact_sheets",
    "write_page",
    "write_picture",
]
