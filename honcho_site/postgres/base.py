"""The engine: Django's PostgreSQL backend; before each request it looks whether its connection still stands.

Django's own check is a statement, as dear as reading a context.
"""

import select

from django.db.backends.postgresql import base
from psycopg.pq import TransactionStatus


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection to PostgreSQL."""

    def is_usable(self) -> bool:
        """Say whether the server still listens.

        One that ends a session says so or closes it. Where nothing has come in, it has done neither; where something
        has, Django's check reads it. It also tells whether a transaction can go on.
        """
        return self._stands_idle() or super().is_usable()

    def _stands_idle(self) -> bool:
        if self.connection is None or self.connection.closed:
            return False
        if self.connection.pgconn.transaction_status != TransactionStatus.IDLE:
            return False
        waiting = select.poll()
        waiting.register(self.connection.fileno(), select.POLLIN)
        return not waiting.poll(0)
