# Tests: tests/unit/test_X.c (cmocka) and tests/fuzz/fuzz_X.c (replayed here).
UNIT := $(patsubst tests/unit/%.c,$(B)/tests/%,$(wildcard tests/unit/test_*.c))
$(B)/tests/test_%: $(B)/obj/tests/unit/test_%.o $(LIB)
	@mkdir -p $(@D)
	$(CC) -pie $< $(LIB) -o $@ $(LDFLAGS_ALL) -lcmocka $(LIBS) $(SUP_LIBS) -ldl
unit: $(UNIT)
	@for t in $(UNIT); do $$t || exit 1; done
.PRECIOUS: $(B)/obj/%.o
.PHONY: unit
