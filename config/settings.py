"""Every setting of Drumbeat, read from the environment.

A file `.env` beside manage.py is read first; what the environment says wins. A missing SECRET_KEY
stops the start. Nothing else is needed for the embedded mode: SQLite, one worker, a local mailbox.
"""

from __future__ import annotations

from datetime import timedelta
from importlib.metadata import distribution
from pathlib import Path
from urllib.parse import urlsplit

import environ
from celery.schedules import crontab
from django.core.exceptions import ImproperlyConfigured

from config import production
from config.logs import FORMS
from config.unfold import UNFOLD  # noqa: F401 - Django reads it from here

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
environ.Env.read_env(str(BASE_DIR / ".env"))

# As in CHANGELOG.md.
VERSION = "0.1.0"
LOOPBACK = ("localhost", "127.0.0.1")

# --- The installation --------------------------------------------------------------------------

# Django's secret, which signs sessions: 50 random characters.
SECRET_KEY = env.str("SECRET_KEY", "")
if not SECRET_KEY:
    raise ImproperlyConfigured(
        "SECRET_KEY is not set. Put SECRET_KEY=<50 random characters> into the environment or into "
        f"{BASE_DIR / '.env'}; `make .env` writes one for you."
    )
# Keys before this one, which sessions and links of before still know.
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
# Shows errors with their source: for developing, never where others come.
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
# Keys that encrypt senders' passwords, tokens of mailboxes and keys of second factors; the first encrypts,
# all decrypt.
CREDENTIAL_KEYS = env.list("CREDENTIAL_KEYS", default=[SECRET_KEY, *SECRET_KEY_FALLBACKS])

# Reached by others than this machine: what is missing for that stops the start (config/production.py).
PRODUCTION = not DEBUG and urlsplit(SITE_URL).hostname not in LOOPBACK
if PRODUCTION:
    production.refuse_unless_complete(env, SITE_URL, SECRET_KEY, ALLOWED_HOSTS)

# --- Applications ------------------------------------------------------------------------------

# Whose files the API's documentation page shows. As an app it would be imported by every worker: 10 MB.
NINJA = Path(str(distribution("django-ninja").locate_file("ninja")))
INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "config.admin.SiteConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_celery_beat",
    "axes",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "audience",
    "campaigns",
    "delivery",
    "analytics",
]
MIDDLEWARE = [
    "config.web.ClientAddressMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "config.web.ContentSecurityPolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "audience.accounts.middleware.SecondFactorMiddleware",
    "audience.audit.OriginMiddleware",
    "audience.zones.TimeZoneMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates", NINJA / "templates"],
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
# The first refuses who has failed too often; the second knows passwords.
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
# After so many failures an account is closed for 15 minutes, to this address alone: nobody can lock out
# those who share an address, or somebody else from everywhere.
AXES_FAILURE_LIMIT = env.int("LOGIN_FAILURE_LIMIT", 5)
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_LOCKOUT_CALLABLE = "audience.accounts.lockout.page"
AXES_CLIENT_IP_CALLABLE = "audience.accounts.lockout.address"
AXES_ENABLE_ADMIN = AXES_VERBOSE = False
# The audit log has them.
AXES_DISABLE_ACCESS_LOG = True
# Whether staff without a second factor are asked to set one up before anything else.
SECOND_FACTOR_REQUIRED = env.bool("SECOND_FACTOR_REQUIRED", False)
OTP_TOTP_ISSUER = "Drumbeat"
# A link to set a new password is good for an hour.
PASSWORD_RESET_TIMEOUT = 3600
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

# --- Database ----------------------------------------------------------------------------------

# Such as postgres://user:password@host/drumbeat.
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
    # A process that is frozen, or whose host is lost, in the middle of a transaction would keep its locks
    # and hold up all others; no transaction of ours waits for anything that long. (A PgBouncer in
    # between needs `ignore_startup_parameters = options`.)
    DATABASES["default"]["OPTIONS"].setdefault("options", "-c idle_in_transaction_session_timeout=15s")

# --- Sending -----------------------------------------------------------------------------------

# False stops all sending: no door, worker or cron job hands a mail over, and the site says so.
ENABLE_EMAIL_SCHEDULER = env.bool("ENABLE_EMAIL_SCHEDULER", True)
# Which installation this is, for hosts whose disk does not last (`manage.py confirm_installation` says it);
# empty: a file in DATA_DIR knows it.
INSTALLATION_ID = env.str("INSTALLATION_ID", "")
# Django's own mail, such as a password reset.
EMAIL_BACKEND = env.str("EMAIL_BACKEND", "django.core.mail.backends.console.EmailBackend")
EMAIL_TIMEOUT = 30
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.str("DEFAULT_FROM_EMAIL", "drumbeat@localhost")
# Seconds without progress after which a worker's claim on a mail is taken from it.
SEND_LEASE_SECONDS = env.int("SEND_LEASE_SECONDS", 120)
# Mails per claim, at most: a worker takes what it sends in half a second, and never more than this.
SEND_BATCH_SIZE = env.int("SEND_BATCH_SIZE", 1000)
# Seconds before the second attempt; the third waits four times as long. Both vary by a half.
SEND_RETRY_SECONDS = env.int("SEND_RETRY_SECONDS", 60)
# Open connections per worker to one SMTP server: the wanted rate times the round trip, divided by the
# workers (1,000 mails a second over 20 ms with 2 workers: 10; a server without PIPELINING takes four
# round trips a mail). All workers together must stay below the number that the server allows.
SMTP_CONNECTIONS = env.int("SMTP_CONNECTIONS", 8)
# Calls in flight per worker to one e-mail service: wanted rate x seconds that a call takes (32 calls of
# 0.1 s are 320 mails a second), and no more than the service's own limit.
ESP_CONNECTIONS = env.int("ESP_CONNECTIONS", 32)
# Name servers for the domain check, such as 9.9.9.9 or 127.0.0.1:5353; empty: those of this machine.
DNS_SERVERS = env.list("DNS_SERVERS", default=[])
# Inner addresses that senders may connect to all the same: hosts, addresses or networks, each with a port
# or without, such as mail.corp.example:25 or 10.0.0.0/8. A site that is reached on this machine alone, as
# while trying it, allows this machine.
EGRESS_ALLOW = env.list(
    "EGRESS_ALLOW",
    default=["127.0.0.0/8", "::1"] if urlsplit(SITE_URL).hostname in LOOPBACK else [],
)
# Days for which providers' reports are kept as they came.
REPORTS_KEEP_DAYS = env.int("REPORTS_KEEP_DAYS", 30)
# The local mailbox: an SMTP server on loopback whose messages the site shows.
MAILBOX_HOST = "127.0.0.1"
MAILBOX_PORT = env.int("MAILBOX_PORT", 2525)
MAILBOX_PATH = DATA_DIR / "mailbox.sqlite3"

# --- Mailboxes that are connected by consent (campaigns/oauth.py) --------------------------------

# As which application this installation is registered there; empty: such mailboxes cannot be connected.
GOOGLE_CLIENT_ID = env.str("GOOGLE_CLIENT_ID", "")
GOOGLE_CLIENT_SECRET = env.str("GOOGLE_CLIENT_SECRET", "")
MICROSOFT_CLIENT_ID = env.str("MICROSOFT_CLIENT_ID", "")
MICROSOFT_CLIENT_SECRET = env.str("MICROSOFT_CLIENT_SECRET", "")
# Whether people are also asked to let Drumbeat look into their mailbox for a mail in doubt. Google wants
# a yearly security audit from applications that ask for this, unless they stay inside one Workspace.
GOOGLE_LOOK_UP = env.bool("GOOGLE_LOOK_UP", False)
MICROSOFT_LOOK_UP = env.bool("MICROSOFT_LOOK_UP", True)
# "common" lets everybody in, "organizations" no private accounts, a tenant's id its own people only.
MICROSOFT_TENANT = env.str("MICROSOFT_TENANT", "common")
# Where they are; to be changed by those behind a gateway, in a national cloud, or in a test.
GOOGLE_AUTHORIZE_URL = env.str("GOOGLE_AUTHORIZE_URL", "https://accounts.google.com/o/oauth2/v2/auth")
GOOGLE_TOKEN_URL = env.str("GOOGLE_TOKEN_URL", "https://oauth2.googleapis.com/token")
GOOGLE_REVOKE_URL = env.str("GOOGLE_REVOKE_URL", "https://oauth2.googleapis.com/revoke")
GOOGLE_ACCOUNT_URL = env.str("GOOGLE_ACCOUNT_URL", "https://openidconnect.googleapis.com/v1/userinfo")
GOOGLE_API_URL = env.str("GOOGLE_API_URL", "https://gmail.googleapis.com")
_authority = f"https://login.microsoftonline.com/{MICROSOFT_TENANT}/oauth2/v2.0"
MICROSOFT_AUTHORIZE_URL = env.str("MICROSOFT_AUTHORIZE_URL", f"{_authority}/authorize")
MICROSOFT_TOKEN_URL = env.str("MICROSOFT_TOKEN_URL", f"{_authority}/token")
# Microsoft has no call that takes a permission back.
MICROSOFT_REVOKE_URL = ""
MICROSOFT_API_URL = env.str("MICROSOFT_API_URL", "https://graph.microsoft.com/v1.0")
MICROSOFT_ACCOUNT_URL = env.str(
    "MICROSOFT_ACCOUNT_URL", f"{MICROSOFT_API_URL}/me?$select=mail,userPrincipalName"
)

# --- Celery, for the distributed mode (config/celery.py) ---------------------------------------

# Celery's broker, and where limits are counted; not needed on SQLite.
REDIS_URL = env.str("REDIS_URL", "redis://127.0.0.1:6379/0")
CELERY_BROKER_URL = REDIS_URL
# A worker that finds no broker, or loses it, looks for it for ever; the default is to give up.
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_CONNECTION_TIMEOUT = 2
# By default whoever wants to publish may wait for a free connection for ever.
CELERY_BROKER_POOL_ACQUIRE_TIMEOUT = 2
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # A Redis that has frozen must hold up nobody: by default each of these waits for ever.
    "socket_connect_timeout": 2,
    "socket_timeout": 4,
    "socket_keepalive": True,
    # Seconds after which a worker takes a connection that says nothing, not even that there is no
    # message, for dead, and opens another. Without it a worker may listen to a dead one for good.
    "health_check_interval": 5,
}
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0.2}
# Acknowledged before it runs, as by default: a task that dies with its process is rung for again in
# seconds, while a worker that holds unacknowledged messages when Redis goes away may end (kombu 5.7).
CELERY_TASK_ACKS_LATE = False
# Seconds after which the process of a task is killed, as a last resort. A tick takes 20 and what the
# slowest mail server may take; its rows are recovered like those of any worker that died.
CELERY_TASK_TIME_LIMIT = 300
# A busy worker takes no message: a doorbell that waits behind a long task should ring elsewhere.
CELERY_WORKER_DISABLE_PREFETCH = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# What came of a task stands in the rows.
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULER = "config.beat:Scheduler"
# Beat writes these into its table at its start, where the admin shows them. A tick that nobody took in
# time is dropped. Pages publish nothing: what they write is found by the next tick.
CELERY_BEAT_SCHEDULE = {
    "tick": {"task": "delivery.tasks.tick", "schedule": 5.0, "options": {"expires": 15}},
    "segment-indexes": {
        "task": "audience.tasks.keep_segment_indexes",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "send-times": {"task": "analytics.tasks.learn_send_times", "schedule": crontab(hour=3, minute=10)},
    "reports": {"task": "analytics.tasks.count", "schedule": 60.0, "options": {"expires": 60}},
}

# --- Reports (analytics/) ------------------------------------------------------------------------

# Days after which `manage.py prune_events` deletes deliveries, opens and clicks; 0 keeps them.
EVENT_RETENTION_DAYS = env.int("EVENT_RETENTION_DAYS", 0)

# --- Limits of senders (delivery/limits.py) ------------------------------------------------------

# Where what left is counted against the limits. "memory://" counts in this process alone, which is
# right on SQLite, where only one process sends; several of them need one Redis to count in.
RATE_LIMIT_STORAGE = env.str(
    "RATE_LIMIT_STORAGE",
    "memory://" if DATABASES["default"]["ENGINE"].endswith("sqlite3") else REDIS_URL,
)
if not RATE_LIMIT_STORAGE.startswith(("memory://", "redis://", "rediss://", "unix://")):
    raise ImproperlyConfigured(
        "RATE_LIMIT_STORAGE must be the address of a Redis, such as redis://127.0.0.1:6379/0, or memory://."
    )

# --- Web ---------------------------------------------------------------------------------------

# The language of the pages and of the mails about accounts, such as de; texts without a translation stay
# English (docs/translating.md).
LANGUAGE_CODE = env.str("LANGUAGE_CODE", "en")
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True
FORMAT_MODULE_PATH = "config.formats"
STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static", NINJA / "static"]
MEDIA_ROOT = DATA_DIR / "media"
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024
# Of one uploaded list of customers.
IMPORT_MAX_BYTES = env.int("IMPORT_MAX_BYTES", 1_000_000_000)
DEFAULT_EXCEPTION_REPORTER_FILTER = "config.production.DiscreetReports"
# How many proxies of your own stand before this site. Each adds the address that it was called from to
# X-Forwarded-For; 0 believes no such header, for anybody can send one.
PROXIES = env.int("PROXIES", 1 if PRODUCTION else 0)
# The last of them says by X-Forwarded-Proto whether it was called by https.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if PROXIES else None
SECURE_SSL_REDIRECT = PRODUCTION and PROXIES > 0
# Asked by what stands beside this site, without https.
SECURE_REDIRECT_EXEMPT = [r"^health/"]
# Browsers come by https alone for a year, to the names below this one too.
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if PRODUCTION else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = PRODUCTION
# To be put on the browsers' own list is the domain's owner's decision, and hard to take back.
# And our own pages show mails in frames, so that frames are for ourselves and not forbidden.
SILENCED_SYSTEM_CHECKS = ["security.W021", "security.W019"]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SITE_URL.startswith("https://")
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "SAMEORIGIN"

# --- The HTTP API (config/api.py) ----------------------------------------------------------------

# Requests that one API key may make in a minute.
API_REQUESTS_PER_MINUTE = env.int("API_REQUESTS_PER_MINUTE", 600)
# Bytes of a file that is uploaded to be imported.
API_MAX_UPLOAD_BYTES = env.int("API_MAX_UPLOAD_BYTES", 200 * 1024 * 1024)

# --- Logs, on standard error (config/logs.py) ----------------------------------------------------

# "line" for people, "json" for machines.
LOG_FORMAT = env.str("LOG_FORMAT", "line")
if LOG_FORMAT not in FORMS:
    raise ImproperlyConfigured(f"LOG_FORMAT is {LOG_FORMAT!r}. Set it to one of: {', '.join(FORMS)}.")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {name: {"()": form} for name, form in FORMS.items()},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["stderr"], "level": env.str("LOG_LEVEL", "INFO")},
    "loggers": {
        # Without handlers of their own, which write in another form; Django's also send mail.
        "django": {"handlers": [], "level": "INFO"},
        # The audit log tells of failures.
        "axes": {"level": "ERROR"},
        "django.server": {"handlers": [], "level": "INFO", "propagate": True},
        # Celery gives this one a handler of its own unless it has one.
        "celery.task": {"handlers": ["stderr"], "propagate": False},
    },
}
