"""The archive: what each TSE signed, kept for good as verified pieces of its store."""
