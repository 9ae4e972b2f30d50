"""The controls: what others would have written, as well as they would have."""
