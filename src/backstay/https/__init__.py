"""What this program says over HTTP by itself: one bounded request, and the signature that AWS asks of one.

Only where no library speaks for us: key services (`crypto.key_services`), and the locks of S3 (`blobs.s3_locks`). Nothing here
knows what is asked, or raises an error of the catalogue.
"""
