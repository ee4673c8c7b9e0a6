"""Files: atomic writes, hashes, JSON, locks, the disk cache, and text that is safe to print."""
