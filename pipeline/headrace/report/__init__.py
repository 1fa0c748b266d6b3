"""The page and the model card of a whole run, from the files that the stages wrote."""
