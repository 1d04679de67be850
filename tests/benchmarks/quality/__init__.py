"""Which recipe makes the best clusters: a grid over labelled pictures, and the page it is told on.

    python tests/benchmarks/quality [FOLDER…]

FOLDERs hold labelled pictures, a subfolder a class. Pictures that installed packages ship are
added. Embeddings and UMAP reductions are kept in the user's cache, so that a second run is
much quicker. Results go to docs/quality.json, and from there to the tables of docs/quality.md.
"""
