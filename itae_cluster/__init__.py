"""Sort a folder of pictures into clusters, with DINOv2 and ITAE (arXiv:2410.04801)."""

__version__ = "0.1.0"

__all__ = ["__version__"]
