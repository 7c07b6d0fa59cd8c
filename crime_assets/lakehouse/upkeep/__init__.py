"""What keeps tables small: compaction, expiry, removal of orphaned files, and measuring sizes."""
