"""Encoding of table columns as numbers: statistics of the train rows, stored arrays and the network's first layer."""
