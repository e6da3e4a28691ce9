# What Debian has to give: mk/packages.build to build and run, mk/packages.test
# for the tests besides. `make deps` touches nothing if all of it is there.
deps:
	scripts/deps mk/packages.build mk/packages.test
.PHONY: deps
