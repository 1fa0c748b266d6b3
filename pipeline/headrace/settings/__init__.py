"""The sections of `params.yaml`: a module per stage with its `Config`, which imports nothing that stages run."""
