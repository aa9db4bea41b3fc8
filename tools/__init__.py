"""Programs for people who work on backstay: set-up, checks, test peers, the demo. Nothing in `src/` imports them."""
