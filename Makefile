PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
URL    ?=
JOBS   ?= 1
MINUTES ?= 9
# Progress bars would be left in the pages; the default profile is what a laptop runs.
export TQDM_DISABLE ?= 1
export PYTHONHASHSEED ?= 0

# Grading: where the gradebook is kept (`make clean` leaves it alone), and where the submissions are.
COURSE      ?= course
SUBMISSIONS ?= submissions

.PHONY: data book test soak bench evening evening-pause gpu paper links serve lint clean pages record repository \
        colab colab-env colab-test assignments grade grade-demo mutants help

help:            ## this list
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

$(VENV)/ready: requirements.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -r requirements.txt
	$(BIN)/python -m pip install -q --no-deps -e .
	touch $@

data: $(VENV)/ready   ## download MNIST and the small Omniglot (14 MB), once; the tests use them, and chapter 3
	$(BIN)/python -c "import vaelib as vl; print(len(vl.mnist().train), len(vl.omniglot('small').train), 'images')"

book: $(VENV)/ready   ## execute every chapter and build _build/html, zero warnings allowed
	$(BIN)/jupyter-book build . --toc book/_toc.yml -W -n --keep-going
	@echo "The book: file://$(CURDIR)/_build/html/index.html   (or: make serve)"

test: $(VENV)/ready   ## pytest on tests/ and nbval on chapters/, smoke profile
	VAELIB_PROFILE=smoke OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile $(ARGS)

pages: $(VENV)/ready  ## open every page of _build/html in the system's Chromium; make them plain for Colab, run some
	VAELIB_BOOK=_build/html $(BIN)/python -m pytest tests/test_pages.py tests/test_colab.py $(ARGS)

colab: $(VENV)/ready  ## after `make book`: _build/colab, the plain notebooks of the branch colab
	$(BIN)/python book/tools/colab.py $(ARGS)

colab-env: .venv-colab/ready ## .venv-colab, an environment like Colab's

.venv-colab/ready: requirements-colab.txt
	test -x .venv-colab/bin/python || $(PYTHON) -m venv .venv-colab
	.venv-colab/bin/python -m pip install -q -r requirements-colab.txt
	touch $@

colab-test: $(VENV)/ready .venv-colab/ready ## after `make book`: run every plain notebook in .venv-colab, smoke profile
	VAELIB_BOOK=_build/html $(BIN)/python -m pytest tests/test_colab_env.py $(ARGS)

soak: $(VENV)/ready   ## kill a training run twenty times at random moments and resume it
	KILLS=20 OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/test_engine.py -k kill_minus_nine $(ARGS)

mutants: $(VENV)/ready ## change the library line by line: do its tests notice? goes on where it stopped; ARGS=--again
	$(BIN)/python -m pip install -q -r requirements-mutants.txt -c requirements.txt
	$(BIN)/python book/tools/mutants.py $(ARGS)

bench: $(VENV)/ready  ## time vl.fit beside other loops, on an otherwise idle machine; writes receipts
	$(BIN)/python -m pip install -q -r requirements-bench.txt -c requirements.txt
	$(BIN)/python -m book.experiments engine_benchmark --again $(ARGS)

evening: $(VENV)/ready ## the papers' tables, seed by seed at low priority, most valuable first; JOBS=1 at once
	$(BIN)/python -m book.experiments --evening --jobs $(JOBS) $(ARGS)

evening-pause: $(VENV)/ready ## stop the evening; make evening goes on from its checkpoints
	$(BIN)/python -m book.experiments --pause $(ARGS)

# Uses the python3 that is there: a machine with a GPU may have no network to install anything from.
gpu:             ## the most that MINUTES=9 of a GPU bring: tests, timings, tables, one archive in _build/gpu
	PYTHONPATH=$(CURDIR) $(PYTHON) -m book.experiments.gpu --minutes $(MINUTES) $(ARGS)

paper: $(VENV)/ready ## every chapter in the paper profile, one after another: minutes, and the cells that fail
	OMP_NUM_THREADS=1 $(BIN)/python book/tools/paper.py $(ARGS)

links: $(VENV)/ready  ## ask every address that the book names whether it answers (needs the network)
	VAELIB_PROFILE=smoke $(BIN)/jupyter-book build . --toc book/_toc.yml --builder linkcheck --keep-going

lint: $(VENV)/ready   ## ruff, and the form of the notebooks
	$(BIN)/ruff check .
	$(BIN)/python -m pytest -q tests/test_form.py

record: $(VENV)/ready ## run the chapters and store the outputs of the checked cells, no others
	$(BIN)/python book/tools/record.py chapters/*.ipynb

repository: $(VENV)/ready ## make repository URL=https://github.com/you/vae-family
	$(BIN)/python book/tools/repository.py $(URL)

.venv-grading/ready: requirements-grading.txt pyproject.toml
	test -x .venv-grading/bin/python || $(PYTHON) -m venv .venv-grading
	.venv-grading/bin/python -m pip install -q -r requirements-grading.txt
	.venv-grading/bin/python -m pip install -q --no-deps -e .
	touch $@

assignments: .venv-grading/ready ## the students', the release and the solution versions in _build/assignments
	.venv-grading/bin/python book/tools/assignments.py

grade: .venv-grading/ready ## as root: grade SUBMISSIONS/STUDENT/01_elbo.ipynb ..., each in a closed room
	.venv-grading/bin/python book/tools/grading.py --course $(COURSE) $(SUBMISSIONS)

grade-demo: .venv-grading/ready ## as root: grade made-up submissions, twenty-one attacks among them (minutes)
	OMP_NUM_THREADS=1 .venv-grading/bin/python -m pytest -o addopts= -q tests/test_grading.py $(ARGS)

serve:           ## serve _build/html on http://localhost:8000
	$(PYTHON) -m http.server --directory _build/html --bind 127.0.0.1 8000

clean:           ## remove what was built
	rm -rf _build .pytest_cache .ruff_cache *.egg-info
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +
