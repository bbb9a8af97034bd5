"""The kinds of resource.k8s.io (dynamic resource allocation), one file each."""
