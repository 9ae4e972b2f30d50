"""The audience by HTTP, and what the routers of all apps stand on. config.api joins them."""
