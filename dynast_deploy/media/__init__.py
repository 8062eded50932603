"""Pictures, videos and sound, read and written as they were meant."""
