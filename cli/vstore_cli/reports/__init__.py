"""Reports in words, where a command has much to say, or two commands say the same."""
