"""What the pages of all apps share, and a person's own account."""
