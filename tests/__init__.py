"""The tests, sorted by the harm they prevent (see CONTRIBUTING.md), and what they share."""
