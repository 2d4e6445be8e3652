bind = "0.0.0.0:8000"
workers = 1
threads = 4
worker_class = "gthread"
worker_tmp_dir = "/dev/shm"
graceful_timeout = 5
# Longer than wsgi.py waits for the stores.
timeout = 90
