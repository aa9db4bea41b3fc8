"""What a repository keeps."""
