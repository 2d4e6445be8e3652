import json
import logging
import secrets

from django.http import HttpResponse, HttpResponseNotAllowed, JsonResponse

from . import stores

log = logging.getLogger(__name__)
MAX_TEXT = 64 * 1024
MAX_NUMBER = 2**62


def livez(request):
    """The process answers; nothing else is asked."""
    return HttpResponse("alive\n", content_type="text/plain")


def readyz(request):
    """Write a row, a key and an object, and read them back."""
    value = secrets.token_hex(8)
    answer = {}
    for name in ("postgres", "redis", "minio"):
        try:
            answer[name] = "ok" if getattr(stores, "probe_" + name)(value) == value else "stale"
        except Exception as e:  # each driver has its own; all mean "not ready"
            answer[name] = type(e).__name__
    ready = all(v == "ok" for v in answer.values())
    return JsonResponse(answer, status=200 if ready else 503)


def ledger(request):
    if request.method == "GET":
        try:
            return JsonResponse(stores.numbers())
        except Exception as e:
            return _unavailable(e)
    if request.method != "POST":
        return HttpResponseNotAllowed(["GET", "POST"])
    try:
        number, text = _entry(request.body)
    except ValueError as e:
        return JsonResponse({"error": str(e)}, status=400)
    try:
        number = stores.put(number, text)
    except stores.Taken:
        return JsonResponse({"number": number, "error": "the number has another text"}, status=409)
    except Exception as e:
        return _unavailable(e)
    try:
        stores.put_copies(number, text)
    except Exception as e:
        # Known to PostgreSQL only: the client repeats it with this number.
        return _unavailable(e, number=number)
    return JsonResponse({"number": number}, status=201)


def _entry(body):
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError('send JSON: {"text": "...", "number": N if repeated}') from None
    if not isinstance(data, dict) or set(data) - {"text", "number"}:
        raise ValueError("an entry has text and, when repeated, number")
    text, number = data.get("text"), data.get("number")
    if not isinstance(text, str) or len(text) > MAX_TEXT or not _storable(text):
        raise ValueError(f"text is a string of at most {MAX_TEXT} Unicode characters without NUL")
    if number is not None and (type(number) is not int or not 0 < number < MAX_NUMBER):
        raise ValueError(f"number is an integer from 1 to {MAX_NUMBER - 1}")
    return number, text


def _storable(text):
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False


def _unavailable(e, **more):
    log.warning("ledger: %s: %s", type(e).__name__, e)
    return JsonResponse({"error": type(e).__name__, **more}, status=503)
