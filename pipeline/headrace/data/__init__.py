"""Kinds of data. One table a verb, so that a stage depends on the code of its own verb only.

See `READERS` in read.py, `EXAMINERS` in clean.py, `TRANSFORMS` in transform.py, `AUGMENTERS` in augment.py.
"""
