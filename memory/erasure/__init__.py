"""Erasing what was said, and all that was made of it, at once and for good; with a receipt.

``scope`` is what can be meant, ``graph`` what refers to what, ``marks`` the rows that go, ``act`` the erasure itself,
``unreadable`` what becomes of versions that knew of it, ``proof`` the look whether anything is left, and ``vacuum``
the end of the dead rows.
"""
