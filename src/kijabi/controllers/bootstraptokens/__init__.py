"""What keeps bootstrap tokens useful: cluster-info signed with each of them, and the expired ones gone.

Source: the documentation, "Authenticating with Bootstrap Tokens"; KEP "kubeadm: cluster discovery" for the signatures.
"""
