"""The views of the page: a module for each, with the function `routes`."""
