"""Tools that build and check the documentation. Nothing that users install imports them."""
