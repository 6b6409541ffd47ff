"""Texts in German and English, the language a reader wants, and how numbers and times are written in it."""
