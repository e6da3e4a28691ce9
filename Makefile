# Cretula. `make` builds into build/; `make test` and `make demo` also install
# what is missing; see README.md.
B       ?= build
CC      ?= gcc
VARIANT ?= release
include mk/flags.mk
include mk/build.mk
include mk/test.mk
include mk/deps.mk
