# Everything that is done with Drumbeat from a shell. It needs make, Python 3.11+ and a package manager.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Checks come in the order in which they stand, cheapest first, also under make -j.
.NOTPARALLEL:

PYTHONS := python3.13 python3.12 python3.11 python3
BIN := .venv/bin
MANAGE := $(BIN)/python manage.py
INSTALLED := .venv/installed
# Django's templates, not those of mails, which are in Liquid.
HTML = $(shell find . -path './.venv' -prune -o -path '*/templates/*.html' -print)
# For tools that load Drumbeat and need no data: neither the developer's database nor any other.
NO_DATABASE := DATABASE_URL=sqlite://:memory:

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- Setting up ------------------------------------------------------------------------------------

# Debian keeps the part of Python that makes environments in a package of its own.
$(INSTALLED): requirements/dev.txt
	@python=; for candidate in $(PYTHONS); do \
	  if $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    python=$$candidate; break; \
	  fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "Drumbeat needs Python 3.11 or newer; none of these is one: $(PYTHONS). Please install it." >&2; \
	  exit 1; \
	fi; \
	if ! $$python -c 'import ensurepip' 2>/dev/null; then \
	  package=$$($$python -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'); \
	  sudo=; [ "$$(id -u)" = 0 ] || sudo='sudo -n'; \
	  echo "Installing $$package"; \
	  { $$sudo apt-get update -q && $$sudo apt-get install -q -y --no-install-recommends $$package; } || { \
	    echo "Please install the venv module of $$python, as root: apt-get install $$package" >&2; \
	    exit 1; \
	  }; \
	fi; \
	echo "Installing Drumbeat's libraries into .venv with $$python, which takes a minute"; \
	$$python -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

# The keys of links and passwords are apart from SECRET_KEY, which may have to be changed one day.
.env: | $(INSTALLED)
	@umask 077; $(BIN)/python -c 'from secrets import token_urlsafe as new; \
	  print("DEBUG=true", *(f"{name}={new(50)}" for name in ("SECRET_KEY", "LINK_KEYS", "CREDENTIAL_KEYS")), sep="\n")' > $@
	@echo "Wrote .env with new keys"

# --- Running ---------------------------------------------------------------------------------------

.PHONY: run
run: demo ## set up, send the sample campaign to the local mailbox, then serve the site with its worker
	@$(MANAGE) serve

.PHONY: demo
demo: $(INSTALLED) .env ## the same without the site; the last line sums up what was sent
	@$(MANAGE) migrate --verbosity 0
	@$(MANAGE) load_sample
	@$(MANAGE) demo

# --- Checking --------------------------------------------------------------------------------------

.PHONY: check
check: lint types contracts migrations test ## everything that must hold before a commit

.PHONY: test
test: $(INSTALLED) ## the whole suite on SQLite and on PostgreSQL; ARGS="-k unsubscribe" for a part
	@$(BIN)/python tests/suite.py $(ARGS)

.PHONY: chaos
chaos: $(INSTALLED) ## fault tests, one JSON line each; SEED=2, ONLY=kills,redis, JOBS=3, CONTROL=1 without guards
	@$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only $(ONLY)) \
	  $(if $(JOBS),--jobs $(JOBS)) $(if $(RECIPIENTS),--recipients $(RECIPIENTS)) $(if $(CONTROL),--control)

.PHONY: lint
lint: $(INSTALLED) ## style of code and templates
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(if $(HTML),$(BIN)/djade --target-version 5.2 --check $(HTML))

.PHONY: format
format: $(INSTALLED) ## mend what can be mended of the style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(if $(HTML),$(BIN)/djade --target-version 5.2 $(HTML))

.PHONY: types
types: $(INSTALLED) .env ## types, strict in the domain
	$(NO_DATABASE) $(BIN)/mypy

.PHONY: contracts
contracts: $(INSTALLED) ## who may import whom
	$(BIN)/lint-imports --no-logo

.PHONY: migrations
migrations: $(INSTALLED) .env ## no model change without its migration
	$(NO_DATABASE) $(MANAGE) makemigrations --check --dry-run

# --- Measuring -------------------------------------------------------------------------------------

.PHONY: bench
bench: $(INSTALLED) ## how fast it is, one JSON line a figure; ONLY=smtp,segments for some, ARGS="--share 0.1"
	@$(BIN)/python -m tests.bench --only "$(ONLY)" $(ARGS)

# --- Keeping house ---------------------------------------------------------------------------------

.PHONY: lock
lock: $(INSTALLED) ## write requirements/*.txt anew from *.in; ARGS=--upgrade for newer versions
	$(BIN)/python -m venv .venv/lock
	.venv/lock/bin/pip install --quiet --disable-pip-version-check uv
	@for name in base dev production; do \
	  UV_CUSTOM_COMPILE_COMMAND='make lock' .venv/lock/bin/uv pip compile --quiet --universal --system-certs \
	    --python-version 3.11 --generate-hashes $(ARGS) requirements/$$name.in -o requirements/$$name.txt \
	  || exit 1; \
	done

.PHONY: audit
audit: $(INSTALLED) ## known holes in what is locked, and what looks unsafe in the source
	$(BIN)/ruff check --select S .
	$(BIN)/python -m venv .venv/audit
	.venv/audit/bin/pip install --quiet --disable-pip-version-check pip-audit
	.venv/audit/bin/pip-audit --strict --require-hashes --disable-pip --requirement requirements/production.txt

.PHONY: messages
messages: $(INSTALLED) .env ## collect the texts to translate in locale/; LANG_CODE=de for which language
	@command -v xgettext >/dev/null && command -v msgmerge >/dev/null || { \
	  echo "Collecting texts needs gettext; please install it, as root: apt-get install gettext" >&2; exit 1; \
	}
	@test -n "$(LANG_CODE)" || { echo "Say for which language: make messages LANG_CODE=de" >&2; exit 1; }
	@for domain in django djangojs; do \
	  $(NO_DATABASE) $(MANAGE) makemessages --domain $$domain --locale $(LANG_CODE) --no-wrap \
	    --ignore '.venv' --ignore 'var' --ignore 'tests' || exit 1; \
	done

.PHONY: openapi
openapi: $(INSTALLED) .env ## write the description of the API, docs/openapi.json, anew
	$(NO_DATABASE) $(MANAGE) export_openapi_schema --api config.api.api --indent 2 --output docs/openapi.json

.PHONY: clean
clean: ## remove what make has made, but neither .env nor the data in var/
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
