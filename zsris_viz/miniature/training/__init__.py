"""How the built-in models are trained, measured and described; not part of the wheel."""
