"""Kinds of data. One table a verb, so that a stage depends on the code of its own verb only:
`read.READERS`, `clean.CHECKS`, `transform.TRANSFORMS`, `augment.AUGMENTERS`, `preprocess.PREPROCESSORS`.
"""
