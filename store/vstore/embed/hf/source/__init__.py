"""The sources of models and adapters: local folders and the hub. Import each from its module."""
