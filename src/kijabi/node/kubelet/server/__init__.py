"""What the kubelet serves: logs, exec, attach, port-forward, stats, metrics.

``spdy`` is the framing codec (pure), ``remote`` the WebSocket sub-protocols (pure), ``streams`` connects a client with
the runtime's streaming server, ``auth`` asks the API server who may, ``app`` routes.
"""
