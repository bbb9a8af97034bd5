"""What the generic verbs do not answer: bindings, evictions, tokens, reviews, and the addresses of Services.

Left out: IPAddress objects.
"""
