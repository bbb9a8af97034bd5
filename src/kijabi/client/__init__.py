"""The only road to the API: typed requests over a transport, and what controllers build on them.

``transport`` moves requests (HTTPS with a kubeconfig, or a call in the same process), ``rest`` speaks the API's verbs,
``informer`` keeps a local copy of a resource up to date, ``workqueue`` orders the work, ``leases`` elects a leader and
``events`` records what happened. No component reaches the API by any other way.
"""
