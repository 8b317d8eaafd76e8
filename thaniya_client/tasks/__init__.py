"""What is backed up."""
