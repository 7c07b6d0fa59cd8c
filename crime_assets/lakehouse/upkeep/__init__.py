"""What keeps tables small: compaction, expiry, orphaned files, and the sizes by which that is judged."""
