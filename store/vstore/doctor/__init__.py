"""The verb `doctor`: checks of the installation. Import `run` for the verb and `report` for its report."""
