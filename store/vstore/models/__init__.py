"""The verb `model`: spaces listed, shown, added, made current, dropped. Import each from its module."""
