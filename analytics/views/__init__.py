"""Pages and panels of analytics."""
