# Cretula. `make` only builds, into build/; `make test` and `make demo` also
# install what is missing. The other targets stand in mk/test.mk and mk/deps.mk.
#
# This file must read well with git and make alone: `make test` on a fresh
# machine starts before there is a compiler, installs one, and starts anew.
B       ?= build
VARIANT ?= release
ifeq ($(origin CC),default)
CC := gcc
endif
include mk/flags.mk
include mk/build.mk
include mk/test.mk
include mk/deps.mk
