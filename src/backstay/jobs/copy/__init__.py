"""A repository copied to another place, object by object: `plan` compares, `run` copies and verifies what is missing."""
