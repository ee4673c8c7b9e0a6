"""Atomic writes, hashes, JSON, locks and the cache on disk."""
