"""Files as a user has them: written whole or not at all, in folders that exist, in the order a person reads them."""
