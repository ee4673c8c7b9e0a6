"""The papers' tables: what they hold, measured beside published, and ablations."""
