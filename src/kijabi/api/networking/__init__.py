"""The kinds of the API group of this name, one file each."""
