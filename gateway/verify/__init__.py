"""Checks exports, log messages and receipt codes of any vendor's TSE, offline; callers use `files.verify_file`."""
