"""The image that the CronJob runs, built without a container engine: `root` makes the files, `layout` the OCI image of them."""
