#!/bin/sh
# The one entrance to work on populace: finds a Python, keeps an environment in .venv, runs what is asked in it.
set -eu
case ${PYTHON:-} in [!/]*/*) PYTHON=$PWD/$PYTHON ;; esac
CDPATH='' cd -- "$(dirname -- "$0")"

NEEDED='.[demo,stats,test,lint]'
# Pinned here and not in the package: a tested torch for us, a wide choice for users.
NEEDED_FOR_ALL='torch==2.13.0 jax optuna ConfigSpace sacrebleu num2words'
NEEDED_FOR_QUALITY='coverage==7.17.4 mutmut==3.8.1'

usage() {
    cat <<'END'
./do setup [--all]       make .venv and install populace in it (every other verb does this by itself)
./do demo [NAME ...]     run a demo; without a name, the default one
./do test [ARG ...]      run the tests; those of missing extras are skipped; ARGs go to pytest
./do test --all [ARG ..] install torch and jax too, and skip nothing for a missing package
./do check               lint, format, types, import contracts, rules of the house
./do bench [NAME ...]    run a benchmark; without a name, list them
./do bench algorithms [--tasks ...]   the suite: policies, random search, Optuna (a night; what is known is kept)
./do bench quality [--sample N]   branch coverage and mutation score of what the promises rest on
./do soak [--kills N]    kill, pause and restart real processes on a real run, then verify it
./do simulate [--seeds A:B] [--mutant NAME]   simulated schedules with faults, from seeds
./do help                this text

PYTHON=/path/to/python ./do ...   choose the Python (3.11 or later) that .venv is made from
END
}

fail() {
    echo "do: $1" >&2
    exit 1
}

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

venv_works() {
    .venv/bin/python -c 'import pip' >/dev/null 2>&1
}

# venv needs ensurepip, which some distributions keep in another package; virtualenv brings its own pip.
make_venv() {
    "$1" -m venv --clear .venv >/dev/null 2>&1 && venv_works && return
    "$1" -m pip install --quiet --target .venv-bootstrap virtualenv &&
        PYTHONPATH=.venv-bootstrap "$1" -m virtualenv --quiet --clear .venv && venv_works
}

find_python_and_make_venv() {
    if [ -n "${PYTHON:-}" ]; then set -- "$PYTHON"; else
        set -- python3.14 python3.13 python3.12 python3.11 python3
    fi
    tried=''
    trap 'rm -rf .venv-bootstrap' EXIT
    for python in "$@"; do
        new_enough "$python" || continue
        make_venv "$python" && rm -rf .venv-bootstrap && return
        tried="$tried $python"
    done
    [ -z "$tried" ] || fail "cannot make .venv with$tried: install its venv or pip package (Debian: python3-venv)"
    fail "no Python >= 3.11 among: $*: install one, or name it with PYTHON=/path/to/python"
}

# The stamp is written last and tells what was installed from what, so an interrupted setup is taken up again.
setup() {
    level=$1
    stamp="$(cat pyproject.toml ./do | cksum) $PWD"
    case $level in base) enough='base all quality' ;; all) enough='all quality' ;; *) enough=$level ;; esac
    for at in $enough; do
        if [ "$stamp" = "$(cat ".venv/populace-$at" 2>/dev/null)" ] && venv_works; then return; fi
    done
    venv_works || find_python_and_make_venv
    echo "do: installing into .venv (once; a few minutes)" >&2
    set -- --editable "$NEEDED"
    # shellcheck disable=SC2086  # lists of words
    case $level in
    all) set -- "$@" $NEEDED_FOR_ALL ;;
    quality) set -- "$@" $NEEDED_FOR_ALL $NEEDED_FOR_QUALITY ;;
    esac
    .venv/bin/python -m pip install --quiet --disable-pip-version-check "$@" ||
        fail "pip could not install what populace needs: its message is above; run ./do setup to try again"
    echo "$stamp" >".venv/populace-$level"
}

check() {
    failed=''
    paths='src tests'
    for folder in benchmarks examples; do if [ -d "$folder" ]; then paths="$paths $folder"; fi; done
    # shellcheck disable=SC2086  # a list of words
    .venv/bin/python -m ruff check $paths || failed="$failed ruff-check"
    # shellcheck disable=SC2086
    .venv/bin/python -m ruff format --check $paths || failed="$failed ruff-format"
    .venv/bin/python -m mypy || failed="$failed mypy"
    .venv/bin/python -c 'from importlinter.cli import lint_imports_command as main; main()' --no-logo ||
        failed="$failed import-contracts"
    .venv/bin/python -m pytest -q tests/house || failed="$failed house-rules"
    [ -z "$failed" ] || fail "check failed:$failed"
}

verb=${1:-help}
[ $# -eq 0 ] || shift
level=base
if [ "${1:-}" = --all ]; then
    case $verb in setup | test) level=all && shift ;; esac
fi
case $verb in
setup) setup "$level" ;;
demo)
    setup base
    exec .venv/bin/populace demo "$@"
    ;;
test)
    setup "$level"
    [ "$level" = base ] || export POPULACE_TEST_ALL=1
    # Two at a time; POPULACE_TEST_WORKERS=0 for one at a time, as debuggers need it.
    exec .venv/bin/python -m pytest -q -n "${POPULACE_TEST_WORKERS:-2}" "$@"
    ;;
check)
    setup base
    check
    ;;
bench)
    case ${1:-} in quality) level=quality ;; algorithms | translation) level=all ;; esac
    setup "$level"
    exec .venv/bin/python -m benchmarks "$@"
    ;;
soak)
    setup base
    exec .venv/bin/python -m benchmarks soak "$@"
    ;;
simulate)
    setup base
    exec .venv/bin/python -m populace.testing.simulator "$@"
    ;;
help | -h | --help) usage ;;
*) usage >&2 && fail "no verb \`$verb\`: use one of those above" ;;
esac
