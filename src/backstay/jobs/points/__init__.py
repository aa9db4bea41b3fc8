"""The points of a repository: which one is meant (`choose`), given back (`restore`), and proven (`verify`)."""
