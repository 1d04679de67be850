"""Clusters FOLDER with clustimage (its own features: PCA of pixels): FOLDER MODEL OUT."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from clustimage import Clustimage

folder, _, out = sys.argv[1:]
paths = sorted(str(path) for path in Path(folder).rglob("*") if path.is_file())
job = Clustimage(method="pca", verbose="silent")
result = job.fit_transform(paths, min_clust=9, max_clust=11)
Path(out).write_text(json.dumps([int(label) for label in result["labels"]]))
