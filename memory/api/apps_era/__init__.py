"""The API of the apps era, spoken by ``honcho-ai`` 0.0.8 to 0.2.0 (PyPI, npm): its words told in those of the store.

=====================  ===========================================================================
what a client calls    what it is here
=====================  ===========================================================================
app, user, session     an App, a User, a Session, by id or by name
message                an Event of the kind ``message``; ``is_user`` is its origin
=====================  ===========================================================================

``urls`` lists what such a client can send; a module per resource answers it.
"""
