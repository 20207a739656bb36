"""Networks and games that make images."""
