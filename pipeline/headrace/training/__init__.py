"""Training of any network on any task: modules, optimization, callbacks, automatic settings and privacy."""
