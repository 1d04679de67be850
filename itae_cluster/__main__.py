"""`itae-cluster` and `python -m itae_cluster`.

Each decoder process imports this module as it starts, so the command line is imported only to run.
"""

__all__ = ["main"]


def main() -> None:
    """Run the command line."""
    from itae_cluster import cli

    cli.main()


if __name__ == "__main__":
    main()
