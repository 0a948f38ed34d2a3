# make run: a cache on 127.0.0.1:6379.  make test, lint, asan, bench, gen: .venv/lint
	@$(BIN)/python redistill/core/command_index.py && $(MAKE) -s build/asserts
	@for maker in docs/gen_*.py; do $(BIN)/python $$maker || exit 1; done

clean:
	@rm -rf .venv build redistill/_core.c redistill/_core*.so redistill/core/*.o _trial_temp* && $(MAKE) -s -C tests/core clean

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

.PHONY: run test lint asan bench gen clean
