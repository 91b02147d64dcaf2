"""The verb `check`: verifies a store. Import `run`, `request` and the reports."""
