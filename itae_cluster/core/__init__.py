"""What everybody may use: errors, types, options, text, files, documents, the cache."""

__version__ = "0.1.0"
