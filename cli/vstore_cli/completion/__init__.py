"""The completion of command lines: scripts that shells source, and the answers that they ask for."""
