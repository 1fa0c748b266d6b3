"""Tables: rows of named columns, each numeric, categorical, a date, or text."""
