"""The pod spec, which pods and every pod template share: defaults, validation, images."""
