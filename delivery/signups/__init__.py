"""Sign-up with double opt-in: asked by a form, confirmed by a link in a mail, and only then a customer."""
