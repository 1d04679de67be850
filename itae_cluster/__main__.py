"""`python -m itae_cluster`."""

from itae_cluster.cli import main

if __name__ == "__main__":
    main()
