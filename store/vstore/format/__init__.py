"""FORMAT.md in code, pure: no disk, no clock, no model. Every room above may import any module of it."""
