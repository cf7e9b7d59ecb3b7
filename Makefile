# make demo     the main job on photographs that need no download: a sweep, its table and its figures
# make test     the default test suite; make test-slow: what takes longer, on real cluster engines among others
# make docs     the site of docs/, whose gallery runs while it is built; ends with the path of its first page
# All set up .venv first, where it is missing or older than the pins. PYTHON=python3.13 chooses the interpreter,
# EXTRAS=... what is installed beside the package; the tests of Ray (240 MB) skip without its extra.
PYTHON ?= python3
VENV ?= .venv
EXTRAS ?= train,cone,ecos,dashboard,tensorboard,local,slurm,optuna,dev
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: demo test test-slow test-interop test-trackers test-next docs torture install lint benchmark clean

demo: install
	$(BIN)/python experiments/run.py --multirun hydra/launcher=local experiment=demo_exact sigma=15,25,50
	$(BIN)/python experiments/run.py --multirun hydra/launcher=local experiment=demo_cones solver=scs,ecos sigma=15,25,50
	$(BIN)/python experiments/table.py outputs/demo_cones --rows solver --columns sigma --metric psnr ssim
	$(BIN)/python experiments/report.py outputs/demo_cones
	$(BIN)/python experiments/ramp.py --only isotropic --model gray --output outputs/ramp
	@echo "tables: outputs/demo_cones/table.md, table.csv, table.tex   page: outputs/demo_cones/report.html"
	@echo "figures of every run: outputs/demo_cones/*/figures   a ramp through TV and the shipped model: outputs/ramp/ramp.png"
	@echo "stored model in the table: gray, which is shipped with the package (docs/models.md)"

test: install
	$(BIN)/python -m pytest

test-slow: install
	$(BIN)/python -m pytest -m slow

# The tests beside deepinv, mrpro and benchopt, which get an environment of their own that sees the first one: a torchvision
# that does not match the build of torch would break others that import it (here benchmarks/torchvision_operators.py declares
# what it misses). What cannot be installed is skipped.
INTEROP := $(VENV)-interop
test-interop: install
	$(BIN)/python -m venv $(INTEROP)
	$(BIN)/python -c "import site; print(site.getsitepackages()[0])" \
		> `$(INTEROP)/bin/python -c "import site; print(site.getsitepackages()[0])"`/project.pth
	for peer in deepinv mrpro benchopt; do \
		$(INTEROP)/bin/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt $$peer \
			|| echo "$$peer cannot be installed; its tests skip"; \
	done
	PYTHONPATH=$(CURDIR) $(INTEROP)/bin/python -m pytest tests/interop tests/benchmarks/test_drop_in.py tests/benchmarks/test_operators.py

# The contract of the trackers with MLflow and Trackio as well, in an environment of their own: Trackio wants an older
# Pillow than the pinned one.
TRACKERS := $(VENV)-trackers
test-trackers: install
	$(BIN)/python -m venv $(TRACKERS)
	$(BIN)/python -c "import site; print(site.getsitepackages()[0])" \
		> `$(TRACKERS)/bin/python -c "import site; print(site.getsitepackages()[0])"`/project.pth
	grep -vi '^pillow=' constraints.txt > $(TRACKERS)/constraints.txt
	for tool in tensorboard mlflow-skinny trackio; do \
		$(TRACKERS)/bin/python -m pip --disable-pip-version-check install --quiet --constraint $(TRACKERS)/constraints.txt \
			$$tool || echo "$$tool cannot be installed; its tests skip"; \
	done
	PYTHONPATH=$(CURDIR) $(TRACKERS)/bin/python -m pytest tests/contracts/test_trackers.py

# The suite with the newest pre-releases of Hydra and OmegaConf, which this version does not promise to work with: what
# fails is shown, and ends nothing. Their warnings come once, in the summary of pytest; the commands that the tests start
# keep silent about them. The last line says what it ran against, and whether all passed.
NEXT := $(VENV)-next
test-next: install
	@$(BIN)/python -m venv $(NEXT) \
		&& $(BIN)/python -c "import site; print(site.getsitepackages()[0])" \
			> `$(NEXT)/bin/python -c "import site; print(site.getsitepackages()[0])"`/project.pth \
		&& $(NEXT)/bin/python -m pip --disable-pip-version-check install --quiet --pre --upgrade hydra-core omegaconf \
		|| { echo "test-next: the pre-releases could not be installed; nothing was tested"; exit 0; }; \
	found=`$(NEXT)/bin/python -m pip freeze --local | grep -i '^hydra-core=\|^omegaconf=' | tr '\n' ' '`; \
	if PYTHONWARNINGS=ignore PYTHONPATH=$(CURDIR) $(NEXT)/bin/python -m pytest -W default; \
	then echo "test-next: all passed with $$found"; \
	else echo "test-next: NOT all passed with $$found(see above); nothing else depends on it"; fi

# Strict: a broken link, a reference to nothing and a script of the gallery that fails end it. Where make test-interop has
# set up its environment, that one builds, and the page of deepinv with it.
SITE := docs/_build
docs: $(VENV)/.docs-installed
	python=$(BIN)/python; if [ -x $(INTEROP)/bin/python ]; then python=$(INTEROP)/bin/python; fi; \
		OMP_NUM_THREADS=1 PYTHONPATH=$(CURDIR) $$python -m sphinx -n -W --keep-going -q -d $(SITE)/doctrees docs $(SITE)/html
	@echo "open $(CURDIR)/$(SITE)/html/index.html"

$(VENV)/.docs-installed: $(VENV)/.installed
	$(PIP) --no-build-isolation --editable ".[docs]"
	touch $@

# An hour or so: a sweep that is killed fifty times ends with the bits of one that was not.
torture: install
	DIFFTV_KILLS=50 $(BIN)/python -m pytest tests/runs/test_torture.py -m slow --timeout=7200

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

benchmark: install
	$(BIN)/python experiments/benchmark.py

install: $(VENV)/.installed

# No build isolation: what builds from source (ECOS on Python 3.13) then builds with the pinned tools as well.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade pip setuptools wheel numpy
	$(PIP) --no-build-isolation --editable ".[$(EXTRAS)]"
	touch $@

clean:
	rm -rf $(VENV) $(INTEROP) $(TRACKERS) $(NEXT) build $(SITE) docs/_gallery *.egg-info .pytest_cache .ruff_cache .mypy_cache
