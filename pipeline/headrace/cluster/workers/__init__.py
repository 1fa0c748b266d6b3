"""What runs on Ray workers around the training loop: process group, strategies, the project's folder, errors."""
