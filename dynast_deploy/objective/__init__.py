"""The training objective: terms, their weights, and the networks that only training needs."""
