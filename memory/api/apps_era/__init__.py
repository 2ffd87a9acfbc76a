"""The API of the apps era, spoken by ``honcho-ai`` 0.0.8 to 0.2.0 (PyPI, npm): its words told in those of the store.

=======================  ========================================================================
what a client calls      what it is here
=======================  ========================================================================
app, user, session       an App, a User, a Session, by id or by name
message                  an Event of the kind ``message``; ``is_user`` is its origin
collection, document     rows of their own beside the log (``memory.collections``)
the collection `honcho`  the statements that stand of a user (``memory.concluded``, ``shelves``)
metamessage              a row of its own beside the log (``memory.metamessages``)
a metamessage labelled   the representation that readers get (``ready_made``)
`honcho_user_…`
clone                    a session whose events repeat another's (``memory.cloning``)
chat                     a question to memory (``reasoning.api.chat``)
=======================  ========================================================================

``urls`` lists what such a client can send, ``unprefixed`` what the oldest did; a module per resource answers it.
``memory.retries`` does a write once that a client sends again. docs/compatibility.md is for those who use one.
"""
