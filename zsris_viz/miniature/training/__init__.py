"""Training, measurement and model cards of the built-in models; this folder is not part of the wheel."""
