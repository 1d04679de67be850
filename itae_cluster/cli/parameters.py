"""Options that several commands share. Their defaults live in `itae_cluster.core.options`."""

from __future__ import annotations

import re
import sys
from typing import Annotated

import typer

from itae_cluster.core import options
from itae_cluster.core.errors import UsageError
from itae_cluster.core.options import Action as ActionName
from itae_cluster.core.options import Algorithm as AlgorithmName
from itae_cluster.core.options import DeviceName, InputOptions, NoiseRule, Reduction
from itae_cluster.core.options import Linkage as LinkageName
from itae_cluster.core.options import Precision as PrecisionName
from itae_cluster.pictures.scan import read_list, read_list_file

__all__ = [
    "AUTO_K",
    "CLUSTERING",
    "MAX_PIXELS",
    "RESULT",
    "Action",
    "Algorithm",
    "AssignNoise",
    "BatchSize",
    "CacheFolder",
    "Device",
    "DryRun",
    "Exclude",
    "FrozenModel",
    "FrozenSize",
    "FrozenTheta",
    "K",
    "Linkage",
    "MaxPixels",
    "MinClusterSize",
    "Model",
    "Neighbors",
    "NoCache",
    "Null",
    "Offline",
    "Only",
    "Out",
    "Paths",
    "Precision",
    "Quiet",
    "Reduce",
    "ReduceDim",
    "Restarts",
    "Seed",
    "Size",
    "Strict",
    "Theta",
    "VectorFile",
    "Verbose",
    "Weights",
    "WithSidecars",
    "complete_model",
    "parse_size",
    "read_inputs",
]

_INPUT = "Pictures"
_MODEL = "Model"
_GENERAL = "General"
CLUSTERING = "Clustering"
"""The help panel of everything that bears on clusters."""
RESULT = "Result"
"""The help panel of everything that bears on OUT."""


def complete_model(incomplete: str) -> list[str]:
    """Names of models that begin so, for shell completion."""
    from itae_cluster.model.registry import AUTO, VARIANTS

    return [name for name in (AUTO, *VARIANTS) if name.startswith(incomplete)]


Paths = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="PATHS",
        help="Pictures and folders of pictures; - reads a list from standard input.",
        show_default=False,
    ),
]
Only = Annotated[
    str | None,
    typer.Option(
        "--only",
        metavar="FILE",
        help="Only the pictures listed in this file, one path a line, as preview.html saves them. "
        "Without PATHS, the list is the input.",
        rich_help_panel=_INPUT,
    ),
]
Null = Annotated[
    bool,
    typer.Option(
        "--null",
        "-0",
        help="The list on standard input is separated by NUL, as find -print0 writes it.",
        rich_help_panel=_INPUT,
    ),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option(
        metavar="GLOB",
        help="Leave out what matches (as in .gitignore); may be repeated.",
        rich_help_panel=_INPUT,
        show_default=False,
    ),
]
MaxPixels = Annotated[
    str,
    typer.Option(
        metavar="N",
        help="Skip pictures that declare more pixels, undecoded; such as 400M or 1G.",
        rich_help_panel=_INPUT,
    ),
]
MAX_PIXELS = f"{options.MAX_PIXELS // 10**6}M"
Strict = Annotated[
    bool,
    typer.Option(
        "--strict",
        help="Exit with 3 when something was skipped; the result is written all the same.",
        rich_help_panel=_GENERAL,
    ),
]
Model = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="vits14, vitb14, vitl14, vitg14, each also with -reg; mini (bundled); or auto: "
        "vitb14 where its weights can be had, else mini.",
        autocompletion=complete_model,
        rich_help_panel=_MODEL,
    ),
]
FrozenModel = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME",
        help="That of the result, which is used anyway; another is refused.",
        autocompletion=complete_model,
        rich_help_panel=_MODEL,
        show_default=False,
    ),
]
FrozenTheta = Annotated[
    str | None,
    typer.Option(
        "--theta",
        metavar="FLOAT|off|auto",
        help="That of the result, which is used anyway; another is refused.",
        rich_help_panel=_MODEL,
        show_default=False,
    ),
]
FrozenSize = Annotated[
    int | None,
    typer.Option(
        "--size",
        metavar="N",
        help="That of the result, which is used anyway; another is refused.",
        rich_help_panel=_MODEL,
        show_default=False,
    ),
]
Weights = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="A local checkpoint: official, transformers or timm layout.",
        rich_help_panel=_MODEL,
    ),
]
Theta = Annotated[
    str,
    typer.Option(
        metavar="FLOAT|off|auto",
        help="ITAE's threshold on query norms; auto is the published value for the model.",
        rich_help_panel=_MODEL,
    ),
]
Size = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Side in pixels that pictures are resized to, a multiple of 14. Default: 224.",
        rich_help_panel=_MODEL,
        show_default=False,
    ),
]
Device = Annotated[
    DeviceName,
    typer.Option(
        metavar="|".join(DeviceName),
        help="Where to compute; auto takes CUDA, else MPS, else the CPU.",
        rich_help_panel=_MODEL,
    ),
]
BatchSize = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Pictures embedded at once, by default what suits the device; halved where memory "
        "runs out.",
        rich_help_panel=_MODEL,
    ),
]
Precision = Annotated[
    PrecisionName,
    typer.Option(
        metavar="|".join(PrecisionName),
        help="How to compute; auto is float16 on CUDA and MPS, and on a CPU bfloat16 where that is "
        "fast and ITAE is off, else float32.",
        rich_help_panel=_MODEL,
    ),
]
Offline = Annotated[
    bool,
    typer.Option(
        "--offline",
        help="Never use the network.",
        rich_help_panel=_MODEL,
    ),
]
CacheFolder = Annotated[
    str | None,
    typer.Option(
        "--cache",
        metavar="DIR",
        help="Where embeddings are kept between runs; the user's cache folder where not given.",
        rich_help_panel=_GENERAL,
        show_default=False,
    ),
]
NoCache = Annotated[
    bool,
    typer.Option(
        "--no-cache",
        help="Neither use nor keep embeddings of earlier runs.",
        rich_help_panel=_GENERAL,
    ),
]
AUTO_K = "auto"
"""The default of `K`: it is found out."""
K = Annotated[
    str,
    typer.Option(
        "--k",
        "-k",
        metavar="N|A..B|auto",
        help="Number of clusters; auto looks for one that fits the pictures, A..B does so between "
        "two numbers.",
        rich_help_panel=CLUSTERING,
    ),
]
Algorithm = Annotated[
    AlgorithmName,
    typer.Option(
        metavar="|".join(AlgorithmName),
        help="How clusters are found; hdbscan finds their number too.",
        rich_help_panel=CLUSTERING,
    ),
]
Restarts = Annotated[
    int,
    typer.Option(metavar="N", help="kmeans: starts, the best is kept.", rich_help_panel=CLUSTERING),
]
VectorFile = Annotated[
    str | None,
    typer.Option(
        "--embeddings",
        metavar="FILE",
        help="Vectors made by 'itae-cluster embed', in place of PATHS.",
        rich_help_panel=_INPUT,
    ),
]
Out = Annotated[str, typer.Argument(metavar="OUT", help="A result of this tool.")]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", "-n", help="Print what would be done and change nothing."),
]
Action = Annotated[
    ActionName,
    typer.Option(
        metavar="|".join(ActionName),
        help="How pictures come into the result.",
        rich_help_panel=RESULT,
    ),
]
WithSidecars = Annotated[
    bool,
    typer.Option(
        "--with-sidecars",
        help="Files that belong to a picture go with it: .xmp, .aae, a RAW, a live photo's .mov.",
        rich_help_panel=RESULT,
    ),
]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Say nothing but errors.", rich_help_panel=_GENERAL),
]
Verbose = Annotated[
    bool,
    typer.Option("--verbose", "-v", help="Say details too.", rich_help_panel=_GENERAL),
]


MinClusterSize = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="hdbscan: fewest pictures of a cluster. Default: 0.4 times the square root of "
        "their number, 5 to 50.",
        rich_help_panel=CLUSTERING,
        show_default=False,
    ),
]
AssignNoise = Annotated[
    NoiseRule | None,
    typer.Option(
        metavar="|".join(NoiseRule),
        help="hdbscan: noise stays apart, goes with the nearest picture that has a cluster, or "
        "where its membership is highest. Default: apart, but no more than a fifth.",
        rich_help_panel=CLUSTERING,
        show_default=False,
    ),
]
Reduce = Annotated[
    Reduction,
    typer.Option(
        metavar="|".join(Reduction),
        help="What embeddings become before they are clustered.",
        rich_help_panel=CLUSTERING,
    ),
]
Linkage = Annotated[
    LinkageName,
    typer.Option(
        metavar="|".join(LinkageName),
        help="agglomerative: which clusters are joined; average lets sizes differ more.",
        rich_help_panel=CLUSTERING,
    ),
]
ReduceDim = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Dimensions of the reduction. Default: umap 10, pca 50.",
        rich_help_panel=CLUSTERING,
        show_default=False,
    ),
]
Neighbors = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="umap and spectral: pictures that count as neighbours of one. Default: 8.",
        rich_help_panel=CLUSTERING,
        show_default=False,
    ),
]
Seed = Annotated[
    int,
    typer.Option(metavar="N", help="The same seed, the same result.", rich_help_panel=CLUSTERING),
]


_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def parse_size(option: str, text: str) -> int:
    """`500M` → 500,000,000; K, M, G and T are powers of 1000, a B at the end means nothing.

    Raises:
        UsageError: if it is no size; the message names the option.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)B?", text.strip(), re.IGNORECASE)
    if match is None:
        raise UsageError(f"{option} {text!r}: give a size such as 500M or 2G")
    return int(float(match[1]) * _UNITS[match[2].upper()])


def read_inputs(
    paths: list[str] | None, null: bool, exclude: list[str] | None, only: str | None = None
) -> InputOptions:
    """The inputs of a command; reads the list from standard input where `-` stands for it.

    A list that is to pick some of the inputs is itself the input where there is no other.

    Raises:
        UsageError: if `--null` is given without `-`, or the file of `only` cannot be read.
    """
    given = paths or []
    picked = None if only is None else tuple(read_list_file(only))
    listed: list[str] = [] if given or picked is None else list(picked)
    if "-" in given:
        listed = read_list(sys.stdin.buffer, null=null)
    elif null:
        raise UsageError("--null is about a list on standard input; add - to read one")
    return InputOptions(
        paths=tuple(path for path in given if path != "-"),
        listed=tuple(listed),
        excludes=tuple(exclude or ()),
        only=picked if given else None,
    )
