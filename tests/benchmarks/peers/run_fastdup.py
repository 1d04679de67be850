"""Indexes FOLDER with fastdup and its own model, and finds its groups: FOLDER MODEL OUT."""

from __future__ import annotations

import sys
from pathlib import Path

import fastdup

folder, _, out = sys.argv[1:]
job = fastdup.create(work_dir=f"{out}.work", input_dir=folder)
job.run(ccthreshold=0.9, overwrite=True)
Path(out).write_text(str(len(job.connected_components()[0])))
