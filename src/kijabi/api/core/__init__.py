"""The kinds of the core group, one file each; ``podspec`` is what pods and pod templates share."""
