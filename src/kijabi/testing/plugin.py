"""The pytest plugin: fixtures that a project gets by installing Kijabi."""
