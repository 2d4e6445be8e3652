"""Settings of the demo ledger. Secrets come as files, by `podman secret`."""

import pathlib


def _secret(name):
    return pathlib.Path("/run/secrets", name).read_text().strip()


SECRET_KEY = _secret("django-secret-key")
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
ROOT_URLCONF = "ledger.urls"
INSTALLED_APPS = ["ledger"]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": "postgres",
        "NAME": "ledger",
        "USER": "ledger",
        "PASSWORD": _secret("postgres-password"),
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"connect_timeout": 3},
    }
}

REDIS = {"host": "redis", "password": _secret("redis-password")}
S3 = {
    "endpoint_url": "http://minio:9000",
    "aws_access_key_id": _secret("minio-user"),
    "aws_secret_access_key": _secret("minio-password"),
    "region_name": "us-east-1",
}
S3_BUCKET = "ledger"
