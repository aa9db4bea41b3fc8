"""The commands about repositories: one module per command, and `opened`, which opens the repository they name."""
