"""Pictures whose files end too early: copies that decode, and the lines to trust in them."""
