"""Every setting of Drumbeat, read from the environment.

A file `.env` beside manage.py is read first; what the environment says wins. A missing SECRET_KEY
stops the start. Nothing else is needed for the embedded mode: SQLite, one worker, a local mailbox.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

from config.unfold import UNFOLD  # noqa: F401 - Django reads it from here

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
environ.Env.read_env(str(BASE_DIR / ".env"))

# --- The installation --------------------------------------------------------------------------

SECRET_KEY = env.str("SECRET_KEY", "")
if not SECRET_KEY:
    raise ImproperlyConfigured(
        "SECRET_KEY is not set. Put SECRET_KEY=<50 random characters> into the environment or into "
        f"{BASE_DIR / '.env'}; `make .env` writes one for you."
    )
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
DEBUG = env.bool("DEBUG", False)
# Where people and mail programs reach this site: unsubscribe links are made from it.
SITE_URL = env.str("SITE_URL", "http://127.0.0.1:8000").rstrip("/")
ALLOWED_HOSTS = env.list(
    "ALLOWED_HOSTS", default=[urlsplit(SITE_URL).hostname or "localhost", "localhost", "127.0.0.1"]
)
CSRF_TRUSTED_ORIGINS = [SITE_URL] if SITE_URL.startswith("https://") else []
# Everything Drumbeat writes to disk: the SQLite database, the mailbox, imports, journals.
DATA_DIR = Path(env.str("DATA_DIR", str(BASE_DIR / "var")))
DATA_DIR.mkdir(parents=True, exist_ok=True)

# Keys that sign unsubscribe links; the first signs, all verify. Kept apart from SECRET_KEY, since a
# link in a mail must work for years while SECRET_KEY may be changed after a leak.
LINK_KEYS = env.list("LINK_KEYS", default=[SECRET_KEY, *SECRET_KEY_FALLBACKS])
# Keys that encrypt the senders' passwords; the first encrypts, all decrypt.
CREDENTIAL_KEYS = env.list("CREDENTIAL_KEYS", default=[SECRET_KEY, *SECRET_KEY_FALLBACKS])

# --- Applications ------------------------------------------------------------------------------

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_celery_beat",
    "audience",
    "campaigns",
    "delivery",
    "analytics",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "audience.zones.TimeZoneMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

# --- Database ----------------------------------------------------------------------------------

DATABASES = {"default": env.db("DATABASE_URL", f"sqlite:///{DATA_DIR / 'drumbeat.sqlite3'}")}
DATABASES["default"].setdefault("OPTIONS", {})
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # IMMEDIATE: a transaction that will write takes the lock at its start and waits for it; with the
    # deferred default it fails with "database is locked" as soon as two of them overlap.
    DATABASES["default"]["OPTIONS"] |= {
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-64000;",
    }
else:
    DATABASES["default"] |= {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}

# --- Sending -----------------------------------------------------------------------------------

# False stops all sending: no door, worker or cron job hands a mail over, and the site says so.
ENABLE_EMAIL_SCHEDULER = env.bool("ENABLE_EMAIL_SCHEDULER", True)
# Django's own mail, such as a password reset.
EMAIL_BACKEND = env.str("EMAIL_BACKEND", "django.core.mail.backends.console.EmailBackend")
EMAIL_TIMEOUT = 30
# Seconds without progress after which a worker's claim on a mail is taken from it.
SEND_LEASE_SECONDS = env.int("SEND_LEASE_SECONDS", 120)
# Mails per claim: the most that one worker holds, and the most that a pause lets through.
SEND_BATCH_SIZE = env.int("SEND_BATCH_SIZE", 200)
# Seconds before the second attempt; the third waits four times as long. Both vary by a half.
SEND_RETRY_SECONDS = env.int("SEND_RETRY_SECONDS", 60)
# The local mailbox: an SMTP server on loopback whose messages the site shows.
MAILBOX_HOST = "127.0.0.1"
MAILBOX_PORT = env.int("MAILBOX_PORT", 2525)
MAILBOX_PATH = DATA_DIR / "mailbox.sqlite3"

# --- Celery, for the distributed mode (config/celery.py) ---------------------------------------

REDIS_URL = env.str("REDIS_URL", "redis://127.0.0.1:6379/0")
CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # Seconds after which Redis gives an unacknowledged message to another worker. A task that takes
    # longer runs twice at once, which is harmless here and no more than that.
    "visibility_timeout": 600,
    # A Redis that has frozen must hold up neither a worker nor a page.
    "socket_connect_timeout": 2,
    "socket_timeout": 5,
    "socket_keepalive": True,
}
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0.2}
# Acknowledged when done, and given back when the process running it was killed: every task may be
# repeated. Either of the two alone loses the task.
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
# One message at a time: a doorbell that waits behind a long task should ring elsewhere.
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# What came of a task stands in the rows.
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
# Beat writes these into its table at its start. A tick nobody took before the next one is dropped.
CELERY_BEAT_SCHEDULE = {
    "tick": {"task": "delivery.tasks.tick", "schedule": 15.0, "options": {"expires": 15}},
}

# --- Web ---------------------------------------------------------------------------------------

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True
FORMAT_MODULE_PATH = "config.formats"
STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"] if (BASE_DIR / "static").is_dir() else []
MEDIA_ROOT = DATA_DIR / "media"
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SITE_URL.startswith("https://")
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "SAMEORIGIN"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": env.str("LOG_LEVEL", "INFO")},
}
