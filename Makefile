PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
URL    ?=
JOBS   ?= 1
MINUTES ?= 9
# No progress bars in the pages; a fixed hash seed makes builds repeatable.
export TQDM_DISABLE ?= 1
export PYTHONHASHSEED ?= 0

# The chapters' networks are small: on two busy cores two threads wait for each other.
ONE_THREAD := OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1}

# Grading: the folder of the gradebook (`make clean` keeps it), and the folder of the submissions.
COURSE      ?= course
SUBMISSIONS ?= submissions
MOVE ?= 1000

.PHONY: data book test test-slow oldest soak bench evening evening-pause gpu paper reseed links serve lint clean pages slides record \
        repository lab lab-test colab colab-env colab-test assignments grade feedback \
        grade-demo mutants key-mutants help

help:            ## list the commands
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

$(VENV)/ready: requirements.txt book/tools/constraints.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -r requirements.txt
	$(BIN)/python -m pip install -q --no-deps -e .
	touch $@

data: $(VENV)/ready   ## download MNIST and the small Omniglot (14 MB) once, for the tests and chapter 3
	$(BIN)/python -c "import vaelib as vl; print(len(vl.mnist().train), len(vl.omniglot('small').train), 'images')"

book: $(VENV)/ready   ## execute every chapter and build _build/html; any warning is an error
	$(ONE_THREAD) VAELIB_STRICT=1 $(BIN)/python book/tools/execute.py $(ARGS)
	$(ONE_THREAD) VAELIB_EXECUTED=1 $(BIN)/jupyter-book build . --all --toc book/_toc.yml -W -n --keep-going
	@echo "The book: file://$(CURDIR)/_build/html/index.html   (or: make serve)"

test: $(VENV)/ready   ## run pytest on tests/ and nbval on chapters/ in the smoke profile
	VAELIB_PROFILE=smoke OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder $(ARGS)

test-slow: $(VENV)/ready ## run the tests marked slow: runs that are killed, every cell again, all variants
	$(MAKE) test ARGS="-m slow tests $(ARGS)"

pages: $(VENV)/ready  ## after `make book`: test every page in Chromium, and the plain notebooks for Colab
	VAELIB_BOOK=_build/html $(BIN)/python -m pytest tests/test_pages.py tests/test_colab.py $(ARGS)

slides: $(VENV)/ready ## after `make book`: write the figures as slides, a page a chapter, to _build/slides
	$(BIN)/python book/tools/slides.py $(ARGS)

lab-test: $(VENV)/ready ## after `make book`: run plain notebooks in JupyterLab, in Chromium
	$(BIN)/python -m pip install -q -e '.[lab,browser]' -c requirements.txt
	VAELIB_BOOK=_build/html $(BIN)/python -m pytest tests/test_lab.py $(ARGS)

colab: $(VENV)/ready  ## after `make book`: write the plain notebooks of the branch colab to _build/colab
	$(BIN)/python book/tools/notebooks.py $(ARGS)

lab: $(VENV)/ready    ## after `make book`: open the chapters as plain notebooks in JupyterLab, in notebooks/
	$(BIN)/python -m pip install -q -e '.[lab]' -c requirements.txt
	$(BIN)/python book/tools/notebooks.py --into notebooks
	$(BIN)/jupyter trust notebooks/*.ipynb
	TQDM_DISABLE=0 $(BIN)/jupyter lab notebooks $(ARGS)

colab-env: .venv-colab/ready ## create .venv-colab, an environment like Colab's

.venv-colab/ready: book/tools/colab-requirements.txt
	test -x .venv-colab/bin/python || $(PYTHON) -m venv .venv-colab
	.venv-colab/bin/python -m pip install -q -r $<
	touch $@

colab-test: $(VENV)/ready .venv-colab/ready ## after `make book`: run every plain notebook in .venv-colab, smoke profile
	VAELIB_BOOK=_build/html $(BIN)/python -m pytest tests/test_colab_env.py $(ARGS)

oldest: $(VENV)/ready ## run the library's tests with the oldest packages that pyproject.toml allows
	OMP_NUM_THREADS=1 $(BIN)/python book/tools/oldest.py $(ARGS)

soak: $(VENV)/ready   ## kill a training run twenty times at random moments; it must resume each time
	KILLS=20 OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/test_engine.py -m slow -k kill_minus_nine $(ARGS)

mutants: $(VENV)/ready ## mutation testing of the library (resumable); ARGS=--again starts over
	$(BIN)/python -m pip install -q -e '.[mutants]' -c requirements.txt
	$(BIN)/python book/tools/mutants.py $(ARGS)

bench: $(VENV)/ready  ## time vl.fit against other training loops on an idle machine; writes receipts
	$(BIN)/python -m pip install -q -e '.[bench]' -c requirements.txt
	$(BIN)/python -m book.experiments engine_benchmark --again $(ARGS)

evening: $(VENV)/ready ## run the papers' tables at low priority, one seed at a time, most valuable first; JOBS=1
	$(BIN)/python -m book.experiments --evening --jobs $(JOBS) $(ARGS)

evening-pause: $(VENV)/ready ## stop `make evening`; run it again to resume from the checkpoints
	$(BIN)/python -m book.experiments --pause $(ARGS)

# Runs in the system's Python, because a machine with a GPU may have no network to install from.
gpu:             ## tests, timings and tables in MINUTES=9 on a GPU; writes one archive to _build/gpu
	PYTHONPATH=$(CURDIR) $(PYTHON) -m book.experiments.gpu --minutes $(MINUTES) $(ARGS)

paper: $(VENV)/ready ## run every chapter in the paper profile; records minutes and failing cells
	OMP_NUM_THREADS=1 $(BIN)/python book/tools/paper.py $(ARGS)

reseed: $(VENV)/ready ## run every chapter with all seeds moved by MOVE=1000; records the claims that fail
	OMP_NUM_THREADS=1 $(BIN)/python book/tools/paper.py --profile default --move $(MOVE) $(ARGS)

links: $(VENV)/ready  ## check every external link of the book (needs the network)
	VAELIB_PROFILE=smoke $(BIN)/jupyter-book build . --toc book/_toc.yml --builder linkcheck --keep-going

lint: $(VENV)/ready   ## run ruff, and check the form of the notebooks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest -q tests/test_form.py

record: $(VENV)/ready ## run the chapters and store the outputs of the checked cells only
	$(BIN)/python book/tools/record.py chapters/*.ipynb

repository: $(VENV)/ready ## set the book's address: make repository URL=https://github.com/you/vae-family
	$(BIN)/python book/tools/repository.py $(URL)

.venv-grading/ready: requirements.txt book/tools/constraints.txt pyproject.toml
	test -x .venv-grading/bin/python || $(PYTHON) -m venv .venv-grading
	.venv-grading/bin/python -m pip install -q -e '.[grading]' -c requirements.txt
	touch $@

assignments: .venv-grading/ready ## write the student, release and solution versions to _build/assignments
	.venv-grading/bin/python book/grading/assignments.py $(ARGS)

grade: .venv-grading/ready ## as root: grade the folder or zip file SUBMISSIONS; ARGS="--student anna --again"
	.venv-grading/bin/python book/grading/grading.py --course $(COURSE) "$(SUBMISSIONS)" $(ARGS)

key-mutants: $(VENV)/ready ## change the assignments' keys bit by bit: do the tests notice? ARGS="02_iwae"
	$(BIN)/python -m pip install -q -e '.[mutants]' -c requirements.txt
	VAELIB_PROFILE=smoke OMP_NUM_THREADS=1 $(BIN)/python book/grading/key_mutants.py $(ARGS)

feedback: .venv-grading/ready ## as root: write students' pages, grade files and reading pages to COURSE
	.venv-grading/bin/python book/grading/feedback.py --course $(COURSE) $(ARGS)

grade-demo: .venv-grading/ready ## as root: grade sample submissions, among them twenty-one attacks (minutes)
	OMP_NUM_THREADS=1 .venv-grading/bin/python -m pytest -o addopts= -q tests/test_grading.py tests/test_rooms.py \
	    tests/test_reading.py tests/test_two_repositories.py $(ARGS)

serve:           ## serve _build/html on http://localhost:8000
	$(PYTHON) -m http.server --directory _build/html --bind 127.0.0.1 8000

clean:           ## remove build outputs and caches
	rm -rf _build .pytest_cache .ruff_cache *.egg-info
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +
