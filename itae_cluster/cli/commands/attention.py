"""`itae-cluster attention IMAGE… --out FILE`: what the model looks at, before and after ITAE."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from itae_cluster.cli import parameters as given
from itae_cluster.cli.option_groups import ModelGroup, with_option_groups
from itae_cluster.cli.reporting import ConsoleReporter
from itae_cluster.core.documents import path_record, skipped_record, to_json
from itae_cluster.core.errors import UsageError
from itae_cluster.core.text import quantity, to_tsv

if TYPE_CHECKING:
    from itae_cluster.paper.figures import TokenMap
    from itae_cluster.pipeline.attention import AttentionMaps

__all__ = ["attention"]


@with_option_groups
def attention(
    *,
    out: Annotated[
        str,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="The figure: a new .png or .svg file.",
            rich_help_panel=given.RESULT,
            show_default=False,
        ),
    ],
    images: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATHS",
            help="Pictures, and folders of pictures, 24 pictures at most; - reads a list from "
            "standard input.",
            show_default=False,
        ),
    ] = None,
    json_: given.JSON = False,
    encoder: ModelGroup,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
) -> None:
    """Draw what the model attends to, before and after ITAE, as in Fig. 4 of the paper.

    Prints one line per picture: its path, how many tokens are artifacts, how many tokens there are
    without CLS, and the share of the attention (0 to 1) that the artifacts got before and after.

    Examples:
        itae-cluster attention beach.jpg --out attention.png
        itae-cluster attention ./photos/*.jpg --model vitl14 --out attention.svg
    """
    if not images:
        raise UsageError("name pictures or folders, or - for a list")
    options = encoder.options()
    inputs = given.read_inputs(images, null=False, exclude=None)
    with ConsoleReporter(quiet=quiet, verbose=verbose) as reporter:
        from itae_cluster.pipeline.attention import draw_attention_maps

        result = draw_attention_maps(inputs, options, out, reporter=reporter)
    sys.stdout.buffer.write(_as_json(result) if json_ else b"".join(map(_as_tsv, result.maps)))
    sys.stdout.buffer.flush()
    skipped = f", {len(result.skipped)} skipped" if result.skipped else ""
    reporter.summary(f"attention of {quantity(len(result.maps), 'picture')} in {out}{skipped}")


def _as_tsv(item: TokenMap) -> bytes:
    numbers = f"{item.count}\t{item.tokens}\t{item.share_before:.6f}\t{item.share_after:.6f}"
    return to_tsv(item.path) + b"\t" + numbers.encode() + b"\n"


def _as_json(result: AttentionMaps) -> bytes:
    document = {
        "model": dict(result.model),
        "theta": result.model["theta"],
        "pictures": [_record(item) for item in result.maps],
        "skipped": [skipped_record(item) for item in result.skipped],
    }
    return to_json(document, indent=2).encode() + b"\n"


def _record(item: TokenMap) -> dict[str, Any]:
    return {
        **path_record("path", item.path),
        "artifacts": item.count,
        "tokens": item.tokens,
        "registers": item.registers,
        "attention_before": round(item.share_before, 6),
        "attention_after": round(item.share_after, 6),
    }
