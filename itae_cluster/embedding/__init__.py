"""Pixels → vectors: the encoder on a device, decoding ahead, what the cache knows, vector files."""
