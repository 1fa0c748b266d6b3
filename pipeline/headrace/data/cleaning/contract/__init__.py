"""The contract of the data, `contract.yaml`: rules that a person sets, and that `clean` holds all rows to."""
