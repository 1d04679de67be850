"""Options that several commands share. Their defaults live in `itae_cluster.core.options`."""

from __future__ import annotations

import os
import re
import sys
from typing import Annotated

import typer

from itae_cluster.cli.group import GENERAL
from itae_cluster.core import options
from itae_cluster.core.errors import UsageError
from itae_cluster.core.options import Action as ActionName
from itae_cluster.core.options import Algorithm as AlgorithmName
from itae_cluster.core.options import DeviceName, InputOptions, NoiseRule, Reduction
from itae_cluster.core.options import Engine as EngineName
from itae_cluster.core.options import Linkage as LinkageName
from itae_cluster.core.options import Precision as PrecisionName
from itae_cluster.core.text import printable
from itae_cluster.pictures.scan import read_list, read_list_file

__all__ = [
    "AUTO_K",
    "CLUSTERING",
    "JSON",
    "MAX_PIXELS",
    "MEMORY",
    "MODEL",
    "PICTURES",
    "RESULT",
    "Action",
    "Algorithm",
    "AssignNoise",
    "BatchSize",
    "CacheFolder",
    "Device",
    "DryRun",
    "Engine",
    "Exclude",
    "FrozenModel",
    "FrozenSize",
    "FrozenTheta",
    "JobReduce",
    "K",
    "Labels",
    "Linkage",
    "MaxPixels",
    "Memory",
    "MinClusterSize",
    "Model",
    "Models",
    "NearDuplicates",
    "Neighbors",
    "Nested",
    "NoCache",
    "Null",
    "Offline",
    "Only",
    "Out",
    "PartSize",
    "Paths",
    "Precision",
    "Quiet",
    "Ray",
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
    "check_result",
    "complete_model",
    "parse_size",
    "read_inputs",
]

PICTURES = "Pictures"
"""The help panel of everything that picks pictures."""
MODEL = "Model"
"""The help panel of everything that bears on embeddings."""
CLUSTERING = "Clustering in detail"
"""The help panel of everything that bears on clusters, but for their number."""
RESULT = "Result"
"""The help panel of what most people set: how many clusters, where to, in which way."""


def complete_model(incomplete: str) -> list[str]:
    """Names of models that begin so, for shell completion."""
    from itae_cluster.model.registry import AUTO, VARIANTS

    return [name for name in (AUTO, *VARIANTS) if name.startswith(incomplete)]


Paths = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="PATHS",
        help="Pictures, and folders of pictures; - reads a list from standard input.",
        show_default=False,
    ),
]
Only = Annotated[
    str | None,
    typer.Option(
        "--only",
        metavar="FILE",
        help="Take only the pictures listed in this file, one path per line, as preview.html saves "
        "them. Without PATHS, the list is the input.",
        rich_help_panel=PICTURES,
    ),
]
Null = Annotated[
    bool,
    typer.Option(
        "--null",
        "-0",
        help="The list on standard input is NUL-separated, as find -print0 writes it.",
        rich_help_panel=PICTURES,
    ),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option(
        metavar="GLOB",
        help="Leave out whatever matches, as in .gitignore; may be repeated.",
        rich_help_panel=PICTURES,
        show_default=False,
    ),
]
MaxPixels = Annotated[
    str,
    typer.Option(
        metavar="N",
        help="Skip pictures that declare more pixels than this, without decoding them.",
        rich_help_panel=PICTURES,
    ),
]
MAX_PIXELS = f"{options.MAX_PIXELS // 10**6}M"
Strict = Annotated[
    bool,
    typer.Option(
        "--strict",
        help="Exit with code 3 if anything was skipped; the result is still written.",
        rich_help_panel=GENERAL,
    ),
]
_MODEL_NAMES = (
    "vits14, vitb14, vitl14 or vitg14, each also with -reg; mini, which comes with this tool; or "
    "auto: vitb14 if its weights are here or can be downloaded, else mini."
)
Model = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help=_MODEL_NAMES,
        autocompletion=complete_model,
        rich_help_panel=MODEL,
    ),
]
Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        metavar="NAME",
        help=f"{_MODEL_NAMES} Give --model again for each further model to compare. Default: auto.",
        autocompletion=complete_model,
        show_default=False,
        rich_help_panel=MODEL,
    ),
]
FrozenModel = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME",
        help="Must match the result's; defaults to it.",
        autocompletion=complete_model,
        rich_help_panel=MODEL,
        show_default=False,
    ),
]
FrozenTheta = Annotated[
    str | None,
    typer.Option(
        "--theta",
        metavar="N|off|auto",
        help="Must match the result's; defaults to it.",
        rich_help_panel=MODEL,
        show_default=False,
    ),
]
FrozenSize = Annotated[
    int | None,
    typer.Option(
        "--size",
        metavar="N",
        help="Must match the result's; defaults to it.",
        rich_help_panel=MODEL,
        show_default=False,
    ),
]
Weights = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="A checkpoint file, in the official, transformers or timm layout.",
        rich_help_panel=MODEL,
    ),
]
Theta = Annotated[
    str,
    typer.Option(
        metavar="N|off|auto",
        help="ITAE's threshold on query norms: a number, off, or auto, which is the value that "
        "'calibrate --save' saved for these weights, or else the published one.",
        rich_help_panel=MODEL,
    ),
]
Size = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Resize pictures to N x N pixels; a multiple of 14. Default: 224.",
        rich_help_panel=MODEL,
        show_default=False,
    ),
]
Device = Annotated[
    DeviceName,
    typer.Option(
        metavar="|".join(DeviceName),
        help="Where to compute; auto takes CUDA if available, else MPS, else the CPU.",
        rich_help_panel=MODEL,
    ),
]
BatchSize = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Pictures to embed at once. Default: set by the device. Halved if memory runs out.",
        rich_help_panel=MODEL,
        show_default=False,
    ),
]
Precision = Annotated[
    PrecisionName,
    typer.Option(
        metavar="FORMAT",
        help="Number format to compute in: float32, bfloat16, float16, mixed or auto. Mixed is "
        "bfloat16, and float32 again for pictures with a query norm near theta. Auto is float16 on "
        "CUDA and MPS; on a CPU it is mixed if bfloat16 is fast, else float32.",
        rich_help_panel=MODEL,
    ),
]
Engine = Annotated[
    EngineName,
    typer.Option(
        metavar="|".join(EngineName),
        help="What computes the model. Auto is OpenVINO on a CPU, if it is installed, else torch.",
        rich_help_panel=MODEL,
    ),
]
Offline = Annotated[
    bool,
    typer.Option(
        "--offline",
        help="Do not use the network.",
        rich_help_panel=MODEL,
    ),
]
CacheFolder = Annotated[
    str | None,
    typer.Option(
        "--cache",
        metavar="DIR",
        help="Keep embeddings between runs in this folder. Default: see 'itae-cluster cache path'.",
        rich_help_panel=GENERAL,
        show_default=False,
    ),
]
NoCache = Annotated[
    bool,
    typer.Option(
        "--no-cache",
        help="Neither use embeddings of earlier runs nor keep those of this one.",
        rich_help_panel=GENERAL,
    ),
]
AUTO_K = "auto"
"""The default of `K`: the tool finds it."""
K = Annotated[
    str,
    typer.Option(
        "--k",
        "-k",
        metavar="N|A..B|auto",
        help="Number of clusters. auto finds one that fits the pictures; A..B finds one between A "
        "and B.",
        rich_help_panel=RESULT,
    ),
]
Algorithm = Annotated[
    AlgorithmName,
    typer.Option(
        metavar="NAME",
        help="auto, kmeans, hdbscan, agglomerative or spectral. auto is K-Means, or another "
        "partition that parts clearly fewer nearest neighbours; hdbscan finds the number of "
        "clusters itself.",
        rich_help_panel=CLUSTERING,
    ),
]
Restarts = Annotated[
    int,
    typer.Option(
        metavar="N", help="K-Means restarts; the best run is kept.", rich_help_panel=CLUSTERING
    ),
]
VectorFile = Annotated[
    str | None,
    typer.Option(
        "--embeddings",
        metavar="FILE|DIR",
        help="Vectors made by 'itae-cluster embed', instead of PATHS.",
        rich_help_panel=PICTURES,
    ),
]
MEMORY = f"{options.StoredVectors.memory // 10**9}G"
Memory = Annotated[
    str,
    typer.Option(
        metavar="SIZE",
        help="With --embeddings DIR: the vectors held at once. Of more, a sample is clustered, and "
        "the others go with the nearest of its clusters.",
        rich_help_panel=PICTURES,
    ),
]
Labels = Annotated[
    str | None,
    typer.Option(
        metavar="DIR",
        help="With --embeddings DIR: write path, cluster and distance of each picture to Parquet "
        "files in this new folder, in place of printing them.",
        rich_help_panel=RESULT,
        show_default=False,
    ),
]
NearDuplicates = Annotated[
    bool,
    typer.Option(
        "--near-duplicates",
        help="With --labels: also say which pictures are nearly the same.",
        rich_help_panel=RESULT,
    ),
]
Ray = Annotated[
    str | None,
    typer.Option(
        metavar="[auto|ray://HOST:PORT]",
        help="Compute on a cluster of machines that run Ray; alone, or auto: the one that "
        "RAY_ADDRESS names, else this machine.",
        rich_help_panel=GENERAL,
        show_default=False,
    ),
]
Out = Annotated[str, typer.Argument(metavar="OUT", help="A folder that this tool made: a result.")]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", "-n", help="Print what would be done, and change nothing."),
]
Action = Annotated[
    ActionName,
    typer.Option(
        metavar="HOW",
        help="How pictures get into the result: copy, hardlink, symlink or move.",
        rich_help_panel=RESULT,
    ),
]
Nested = Annotated[
    bool,
    typer.Option(
        "--nested",
        help="Put like clusters together in folders above theirs: group-000/cluster-012.",
        rich_help_panel=RESULT,
    ),
]
WithSidecars = Annotated[
    bool,
    typer.Option(
        "--with-sidecars",
        help="Take along the files that belong to a picture: .xmp, .aae, raw files, the .mov of a "
        "live photo.",
        rich_help_panel=RESULT,
    ),
]
JSON = Annotated[
    bool, typer.Option("--json", help="Print JSON, for programs.", rich_help_panel=GENERAL)
]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Print nothing but errors.", rich_help_panel=GENERAL),
]
Verbose = Annotated[
    bool,
    typer.Option("--verbose", "-v", help="Print details as well.", rich_help_panel=GENERAL),
]
PartSize = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="With --ray: pictures in each Parquet file, which are embedded as one piece of work. "
        "Default: 1000, or fewer for a large --size.",
        rich_help_panel=RESULT,
        show_default=False,
    ),
]


MinClusterSize = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="hdbscan: fewest pictures in a cluster. Default: 0.4 times the square root of the "
        "number of pictures, but at least 5 and at most 50.",
        rich_help_panel=CLUSTERING,
        show_default=False,
    ),
]
AssignNoise = Annotated[
    NoiseRule | None,
    typer.Option(
        metavar="|".join(NoiseRule),
        help="hdbscan: what to do with pictures that fit no cluster. keep: leave them in none; "
        "nearest: put each with the nearest picture that has a cluster; soft: put each where its "
        "membership is highest. Default: keep, but for no more than a fifth of all pictures.",
        rich_help_panel=CLUSTERING,
        show_default=False,
    ),
]
Reduce = Annotated[
    Reduction,
    typer.Option(
        metavar="|".join(Reduction),
        help="Reduce the embeddings in this way before clustering.",
        rich_help_panel=CLUSTERING,
    ),
]
JobReduce = Annotated[
    Reduction | None,
    typer.Option(
        "--reduce",
        metavar="|".join(Reduction),
        help="Reduce the embeddings in this way before clustering. Default: none, as in the paper; "
        "umap for hdbscan. Only kmeans with none is run more than once per set.",
        rich_help_panel=CLUSTERING,
        show_default=False,
    ),
]
Linkage = Annotated[
    LinkageName,
    typer.Option(
        metavar="|".join(LinkageName),
        help="agglomerative: how to choose the clusters to join; with average, sizes differ more.",
        rich_help_panel=CLUSTERING,
    ),
]
ReduceDim = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Number of dimensions to reduce to. Default: 10 for umap, 50 for pca.",
        rich_help_panel=CLUSTERING,
        show_default=False,
    ),
]
Neighbors = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="umap and spectral: how many neighbours each picture has. Default: as many as a "
        "cluster has pictures on average, 3 to 15; 15 for hdbscan.",
        rich_help_panel=CLUSTERING,
        show_default=False,
    ),
]
Seed = Annotated[
    int,
    typer.Option(
        metavar="N",
        help="Seed of all random numbers: the same seed gives the same result.",
        rich_help_panel=CLUSTERING,
    ),
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


def check_result(out: str) -> None:
    """Raise `UsageError` where OUT is no folder."""
    if not os.path.isdir(out):
        raise UsageError(f"no such folder: {printable(out)}; name a result of this tool")


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
        raise UsageError("--null needs a list on standard input; add - to read one")
    return InputOptions(
        paths=tuple(path for path in given if path != "-"),
        listed=tuple(listed),
        excludes=tuple(exclude or ()),
        only=picked if given else None,
    )
