"""Stage: embeddings on a map and their labels → `preview.png`, `preview.html`, contact sheets.

    data      what all are drawn from
    sampling  which pictures, where there are too many
    groups    one record per cluster, as all list it
    thumbnails                    JPEG → image
    legend, map_view, picture     → preview.png
    contact                       → contact/cluster-007.jpg
    atlas, payload, page          → preview.html (its parts lie in assets/)

The same data give the same bytes: no file holds a date or a version.
"""

from __future__ import annotations

from itae_cluster.preview.contact import write_contact_sheets
from itae_cluster.preview.data import PreviewData
from itae_cluster.preview.page import write_page
from itae_cluster.preview.picture import write_picture
from itae_cluster.preview.sampling import rows_to_show

__all__ = [
    "PreviewData",
    "rows_to_show",
    "write_contact_sheets",
    "write_page",
    "write_picture",
]
