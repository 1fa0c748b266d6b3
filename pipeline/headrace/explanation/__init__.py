"""Why a model predicts what it does: attributions, how faithful they are, and a page that shows both."""
