"""The demo corpus, and the main job done in one command."""
