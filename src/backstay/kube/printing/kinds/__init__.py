"""The columns of each kind: one module per family, one tuple of columns per resource. What is not here has name and time."""
