"""FORMAT.md in code, pure: no disk, no clock, no model."""
