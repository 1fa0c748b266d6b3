"""`headrace compare`: which of two or more trained models is better, by how much, and where."""
