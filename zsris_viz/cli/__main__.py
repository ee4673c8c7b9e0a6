"""Run the `zsris` command as `python -m zsris_viz.cli`."""

from zsris_viz.cli import main

if __name__ == "__main__":
    main()
