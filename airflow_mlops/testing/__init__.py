"""What tests of a release need: ours and yours."""
