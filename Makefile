# Aliases for those whose fingers say make; everything is in ./do.
.PHONY: setup demo test test-all check bench help
setup demo test check bench help:
	@./do $@
test-all:
	@./do test --all
.DEFAULT_GOAL := help
