"""A TSE as files of a volume or as a disk, for software that knows only drives (FUSE)."""
