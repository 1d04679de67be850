"""How many machines and hours an archive takes: the table of docs/scale.md. A model, not a run.

PYTHONPATH=tests python -m benchmarks.fleet
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Fleet", "table"]

DECODED = (
    500  # pictures a second and processor core: small JPEGs; 12 megapixels take ten times that
)
EMBEDDED = 6900  # and GPU: ViT-B/14, float16; measured on an H100 with pixels in memory
REACHED = 0.5  # share of the slower of the two that files to vectors reach; assumed
DIM, BYTES, PATH = 768, 4, 80  # numbers of a vector, bytes of each, bytes of a path as stored
CORES, PRICE = 16, 3.0  # of a machine with one GPU; an hour of it in dollars, assumed
PART = 1000


@dataclass(frozen=True)
class Fleet:
    """So many pictures, on so many machines with one GPU and 16 cores each."""

    pictures: int
    machines: int

    @property
    def rate(self) -> float:
        """Pictures a second: half of the slower of decoding and embedding."""
        return self.machines * REACHED * min(CORES * DECODED, EMBEDDED)

    @property
    def hours(self) -> float:
        """From the first picture to the last, if nothing is lost."""
        return self.pictures / self.rate / 3600

    @property
    def gigabytes(self) -> float:
        """Of Parquet."""
        return self.pictures * (DIM * BYTES + PATH) / 1e9

    @property
    def parts(self) -> int:
        """Parquet files."""
        return -(-self.pictures // PART)


def table() -> str:
    """Markdown."""
    lines = [
        "| pictures | machines | hours | dollars | Parquet | files |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    for pictures, machines in ((10**6, 1), (10**7, 1), (10**7, 4), (10**8, 4), (10**8, 16)):
        fleet = Fleet(pictures, machines)
        lines.append(
            f"| {pictures:,} | {machines} | {fleet.hours:.1f} | "
            f"{fleet.hours * machines * PRICE:,.0f} | {fleet.gigabytes:,.0f} GB | {fleet.parts:,} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
