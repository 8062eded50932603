"""What the network sees of a pose, a face or a picture."""
