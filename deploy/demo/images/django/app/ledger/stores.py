"""The three stores of the ledger. A write returns when it is durable."""

import threading

import boto3
import botocore.config
import redis
from django.conf import settings
from django.db import connection, transaction

from .models import Entry, Probe

KEY = "ledger"

_redis = redis.Redis(
    **settings.REDIS, socket_timeout=5, socket_connect_timeout=3, decode_responses=True
)
_s3 = boto3.client(
    "s3",
    **settings.S3,
    config=botocore.config.Config(
        connect_timeout=3,
        read_timeout=5,
        retries={"max_attempts": 1},
        s3={"addressing_style": "path"},
        max_pool_connections=8,
    ),
)
_bucket = settings.S3_BUCKET


class Taken(Exception):
    """The number belongs to an entry with another text."""


def prepare():
    """Make the bucket if it is missing."""
    if _bucket not in [b["Name"] for b in _s3.list_buckets()["Buckets"]]:
        _s3.create_bucket(Bucket=_bucket)


def put(number, text):
    """Store the entry in PostgreSQL, under a new number if it has none yet.

    Doing it again with the same number and text is harmless: that is how a
    client settles an entry whose answer it never saw.
    """
    if number is None:
        number = Entry.objects.create(text=text).number
    else:
        _put_row(number, text)
    return number


def put_copies(number, text):
    """Store the entry in Redis and MinIO."""
    _redis.hset(KEY, str(number), text)
    _s3.put_object(Bucket=_bucket, Key=f"entry/{number}", Body=text.encode())


def _put_row(number, text):
    with transaction.atomic():
        Entry.objects.bulk_create([Entry(number=number, text=text)], ignore_conflicts=True)
        if Entry.objects.get(number=number).text != text:
            raise Taken(number)
        # A number that the client chose must not be given out again.
        with connection.cursor() as c:
            c.execute(
                "SELECT setval(pg_get_serial_sequence('entry', 'number'),"
                " greatest((SELECT max(number) FROM entry),"
                " (SELECT last_value FROM pg_sequences WHERE sequencename = 'entry_number_seq')))"
            )


def numbers():
    """Return the numbers that each store holds, in order."""
    pages = _s3.get_paginator("list_objects_v2").paginate(Bucket=_bucket, Prefix="entry/")
    objects = [o["Key"].removeprefix("entry/") for p in pages for o in p.get("Contents", [])]
    return {
        "postgres": list(Entry.objects.order_by("number").values_list("number", flat=True)),
        "redis": sorted(int(k) for k in _redis.hkeys(KEY)),
        "minio": sorted(int(k) for k in objects),
    }


def _probe_name():
    # One for each thread of the pool: two probes at once must not read each
    # other's values, and names without end must not pile up.
    return "readyz-" + threading.current_thread().name


def probe_postgres(value):
    name = _probe_name()
    Probe.objects.update_or_create(name=name, defaults={"value": value})
    return Probe.objects.get(name=name).value


def probe_redis(value):
    _redis.set(_probe_name(), value)
    return _redis.get(_probe_name())


def probe_minio(value):
    name = _probe_name()
    _s3.put_object(Bucket=_bucket, Key=name, Body=value.encode())
    return _s3.get_object(Bucket=_bucket, Key=name)["Body"].read().decode()
