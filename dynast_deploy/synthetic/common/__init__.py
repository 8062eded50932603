"""What drawn people, faces and scenes share: colours, cloth, shapes, the writers of example files."""
