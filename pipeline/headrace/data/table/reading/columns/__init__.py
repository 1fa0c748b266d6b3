"""The columns of a table: their kinds, the notation of their numbers, and what was assumed about them."""
