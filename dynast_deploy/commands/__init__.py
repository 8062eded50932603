"""Bodies of the `dynast` commands, one file each. Importing them imports nothing heavy, so that `--help` is instant."""
