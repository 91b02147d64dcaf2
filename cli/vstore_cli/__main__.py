"""`python -m vstore_cli` is `vstore`."""

from vstore_cli.main import main

main()
