"""An OpenAI-compatible server on the loopback interface: see :mod:`tests.loopback.server`."""
