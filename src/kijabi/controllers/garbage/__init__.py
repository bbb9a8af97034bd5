"""The garbage collector: what nobody owns any more goes.

``graph`` keeps who owns whom, as told by an informer per resource, custom ones included; ``controller`` asks the graph
what an object's owners are, makes sure of the server's opinion where the graph has not seen them, and deletes, orphans
or releases. Foreground deletion waits for dependents that block; cycles end because a reference stops blocking.
Source: the documentation of garbage collection and of owners and dependents.
"""
