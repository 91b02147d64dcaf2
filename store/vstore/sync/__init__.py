"""`sync` and `status`: keep a store up to date with folders. Import `begin` and `report`."""
