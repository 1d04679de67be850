"""Stage: embeddings on a map and their labels → `preview.png` and `preview.html`.

    data      what both are drawn from
    palette   label → colour
    groups    one record per cluster, as both list it
    layout    coordinates → the drawing surface; thumbnails beside their clusters
    typeface, thumbnails, sheet   text, images and shapes as the picture draws them
    legend, map_view, picture     → preview.png
    page      → preview.html (its parts are page.html.j2, page.css and page.js)

The same data give the same bytes: neither file holds a date or a version.
"""

from __future__ import annotations

from itae_cluster.preview.data import PreviewData
from itae_cluster.preview.page import write_page
from itae_cluster.preview.picture import write_picture

__all__ = ["PreviewData", "write_page", "write_picture"]
