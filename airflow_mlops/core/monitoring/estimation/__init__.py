"""What metrics will be once labels come, estimated without them."""
