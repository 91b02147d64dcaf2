"""The verb `repair`: repairs a damaged store. Import `run` and `report`."""
