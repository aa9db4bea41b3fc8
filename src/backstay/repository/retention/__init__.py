"""What a repository stores about keeping points: holds. What they mean is decided in `policy.retention`."""
