"""Stage: the paper's figures, of the user's own pictures, as PNG or SVG.

target      where a figure goes: suffix, never over a file, complete or not at all
canvas      a blank figure → bytes, the same for the same data
chart       axes in the figures' common look
norms       Fig. 2 and 3: query norms, output norms, attention of artifacts
sweeps      Fig. 5: scores by θ
maps        one picture's tokens: grid, outline, share of attention
attention   Fig. 4: attention maps before and after ITAE
"""

from __future__ import annotations

from itae_cluster.paper.figures.attention import draw_attention
from itae_cluster.paper.figures.maps import TokenMap
from itae_cluster.paper.figures.norms import TokenSample, draw_norms
from itae_cluster.paper.figures.sweeps import draw_sweep
from itae_cluster.paper.figures.target import check_target

__all__ = ["TokenMap", "TokenSample", "check_target", "draw_attention", "draw_norms", "draw_sweep"]
