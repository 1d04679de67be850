"""Paths → pixels: which files are pictures, and what they show."""
