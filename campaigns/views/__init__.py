"""The pages on which marketers write templates."""
