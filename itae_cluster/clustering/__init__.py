"""Vectors → labels: reduction, algorithms, the number of clusters, similarity."""
