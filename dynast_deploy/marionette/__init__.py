"""The marionette: procedural dressed people with exact correspondences."""
