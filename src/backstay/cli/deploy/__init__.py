"""`backstay deploy`: manifests and units that start `backstay run`, printed or written, never applied."""
