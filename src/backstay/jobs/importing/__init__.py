"""Backups of earlier days taken over into a repository: `names` tells their times, `unpacking` opens them, `run` makes points."""
