"""What an object is, as pure functions over plain dicts: no I/O, no clock, no state.

One file per kind (``api/<group>/<kind>.py``) declares the resource and defines, in this order and only where the kind
needs it: ``default``, ``prepare_create``, ``prepare_update``, ``validate_create``, ``validate_update``, ``columns``,
``fields``. ``resource`` says what those functions take and give; ``catalog`` finds them.
"""
