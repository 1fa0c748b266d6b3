"""Which rows a step uses: their order, balancing of classes, and mixing of pairs."""
