"""How steps are executed: the loop, gradient checkpointing, and sharding over workers."""
