"""The tables of the papers: their rows, measured and published numbers, and ablations."""
