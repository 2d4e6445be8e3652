"""Bring the schema and the bucket up to date, then serve.

The databases may still be starting: a refused connection is tried again for a
minute, after which the container ends and systemd starts it anew.
"""

import os
import time

from django.core.management import call_command
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ledger.settings")
application = get_wsgi_application()


def _patiently(step, deadline):
    while True:
        try:
            return step()
        except Exception:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _prepare():
    from . import stores

    deadline = time.monotonic() + 60
    _patiently(lambda: call_command("migrate", interactive=False, verbosity=0), deadline)
    _patiently(stores.prepare, deadline)


_prepare()
