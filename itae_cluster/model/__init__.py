"""The model: a compact DINOv2, ITAE on its last block, and where weights come from."""
