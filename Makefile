# make run: a cache on 127.0.0.1:6379.  The other targets are described in CONTRIBUTING.md.
PYTHON = python3
BIN = .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1
SOURCES := $(shell find redistill twisted -name '*.py' -o -name '*.[ch]' ! -name _core.c) setup.py pyproject.toml
CORE_SOURCES := $(shell find redistill/core -name '*.c')
C_FILES := $(shell find redistill/core -name '*.[ch]') $(wildcard tests/*/*.[ch] bench/*.[ch])
GENERATED = etc/*.toml man/*.[15] docs/*.md redistill/core/command/index.h redistill/core/commands/cmd.h redistill/core/commands/table/table.c deploy/systemd/*
WARNINGS = -std=gnu11 -D_GNU_SOURCE -O2 -Wall -Wextra -Wshadow -Wconversion -Werror
# Install the dependencies that pyproject.toml lists, those of an extra among them.
install = $(BIN)/python -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
  print(*p["dependencies"], *p["optional-dependencies"]["$(1)"], sep="\n")' | $(BIN)/pip install -q -r /dev/stdin

run: .venv/run
	@exec $(BIN)/twistd --reactor redistill --nodaemon --pidfile= redistill --config etc/redistill.toml

test: .venv/test build/asserts
	@$(BIN)/python tests/run all

quick: .venv/test build/asserts
	@$(BIN)/python tests/run quick

lint: .venv/lint
	@$(BIN)/ruff check -q . && $(BIN)/ruff format -q --check . && $(BIN)/mypy && $(BIN)/python tests/imports.py
	@$(BIN)/clang-format --dry-run --Werror $(C_FILES) && $(BIN)/python tests/rooms.py
	@printf '%s\n' $(CORE_SOURCES) | xargs -P2 -I{} $(CC) $(WARNINGS) -Iredistill/core -c {} -o /dev/null
	@$(MAKE) -s -C tests/core ../../build/ctest/keyspecs.h
	@printf '%s\n' bench/*.c tests/*/*.c | xargs -P2 -I{} $(CC) $(WARNINGS) -O0 -UNDEBUG -fsyntax-only -Iredistill/core -Ibuild/ctest {}
	@before=$$(cat $(GENERATED) | cksum); $(MAKE) -s gen || exit 1; test "$$before" = "$$(cat $(GENERATED) | cksum)" || \
	  { echo 'Generated files were not current; they are now.' >&2; exit 1; }

asan: .venv/test build/asan/made
	@$(BIN)/python tests/run asan wire

bench: .venv/run .venv/test
	@$(BIN)/python bench/run

gen: .venv/lint
	@$(BIN)/python redistill/core/command/index.py && $(MAKE) -s build/asserts
	@for maker in docs/gen_*.py; do $(BIN)/python $$maker || exit 1; done

# The package for the Debian that this runs on, in this directory: apt install ./redistill_*.deb
deb:
	@rm -rf build/deb redistill_*.deb && mkdir -p build/deb
	@cd build/deb && dpkg-source --build ../.. && dpkg-source --extract *.dsc source && cd source && dpkg-buildpackage -b -us -uc
	@cp build/deb/redistill_*.deb . && ls -l redistill_*.deb

# Packages, units, images and configurations, built and used; as root, with debootstrap.
test-deploy:
	@tests/deploy/run

# The versions that the package for Debian 12 brings, whose Python is 3.11.2, with the hashes of all their files on PyPI.
lock: .venv/lint
	@UV_NO_CONFIG=1 UV_CUSTOM_COMPILE_COMMAND='make lock' $(BIN)/uv pip compile -q pyproject.toml --upgrade \
	  --python-version 3.11.2 --python-platform linux --default-index https://pypi.org/simple --no-emit-index-url \
	  --generate-hashes -o debian/requirements.txt

clean:
	@rm -rf .venv build redistill/_core.c redistill/_core*.so redistill/core/*.o _trial_temp*

.venv/made:
	@echo '#include <Python.h>' | $(CC) -fsyntax-only -I$$($(PYTHON) -c 'import ensurepip, venv, sys, sysconfig; \
	  print(sysconfig.get_path("include") if sys.version_info >= (3, 11) else "")' 2>/dev/null) -xc - 2>/dev/null || \
	  { echo 'Python 3.11 with headers and a C compiler are needed: apt install build-essential python3-dev python3-venv' >&2; exit 1; }
	@$(PYTHON) -m venv .venv && touch $@

.venv/run: .venv/made $(SOURCES)
	@$(BIN)/pip install -q . && $(BIN)/python -P -c 'from twisted import plugin; list(plugin.getPlugins(plugin.IPlugin))' && touch $@

.venv/test .venv/lint: .venv/made pyproject.toml
	@$(call install,$(notdir $@)) && touch $@

build/asserts: .venv/test $(SOURCES)
	@mkdir -p build && REDISTILL_ASSERTS=1 $(BIN)/python redistill/_core_build.py >/dev/null && touch $@

build/asan/made: .venv/test $(SOURCES)
	@rm -rf build/asan && mkdir -p build/asan && cp -r redistill build/asan && rm -f build/asan/redistill/_core*.so
	@REDISTILL_SANITIZE=1 $(BIN)/python build/asan/redistill/_core_build.py >/dev/null && touch $@

.PHONY: run test quick lint asan bench gen deb test-deploy lock clean
