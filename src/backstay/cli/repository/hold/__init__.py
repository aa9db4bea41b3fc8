"""Forbidding and allowing again that points are removed."""
