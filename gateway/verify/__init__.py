"""Checks exports, log messages and receipts of any vendor's TSE, offline. `files.verify_file` is the way in."""
