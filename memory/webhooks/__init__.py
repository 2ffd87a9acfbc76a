"""Webhooks: what happens in an app, told to who asked for it.

``outbox`` writes what is to be told in the transaction in which it happens, ``delivery`` sends it afterwards, signed
(``signing``) and to public addresses only (``sending``); ``endpoints`` is where one asks for it.
"""
