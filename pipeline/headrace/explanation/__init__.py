"""Why a model says what it says: attributions, how faithful they are, and a page that shows both."""
