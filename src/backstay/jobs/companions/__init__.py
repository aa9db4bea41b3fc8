"""Companions of a backup: found on the host (`collecting`), brought back (`restoring`), missed before they are needed (`kit`)."""
