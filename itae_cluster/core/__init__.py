"""What everybody may use: errors, types, options, text, files, documents, the cache."""
