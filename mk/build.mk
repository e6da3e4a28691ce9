# What is built: one archive of lib/, the daemons, the command, the modules.
# confine_san.c replaces confine.c's filters in the sanitizer variant.
LIB_SKIP := $(if $(filter san,$(VARIANT)),lib/confine_variant.c,lib/confine_san.c)
LIB_SRC  := $(filter-out $(LIB_SKIP),$(wildcard lib/*.c))
LIB_OBJ  := $(LIB_SRC:%.c=$(B)/obj/%.o)
LIB      := $(B)/libcretula_internal.a
LIBS     := -lsodium -lcrypto
SUP_LIBS := -lsqlite3 -lseccomp

CREDD_OBJ := $(patsubst %.c,$(B)/obj/%.o,$(wildcard credd/*.c))
TOOL_OBJ  := $(patsubst %.c,$(B)/obj/%.o,$(wildcard tools/*.c))
MODULES   := $(notdir $(patsubst %/,%,$(dir $(wildcard modules/*/*.c))))
MODULES   := $(sort $(MODULES))

all: $(B)/bin/credd $(B)/bin/cretula $(MODULES:%=$(B)/modules/%.so)

$(B)/obj/%.o: %.c Makefile $(wildcard mk/*.mk)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -c $< -o $@

$(LIB): $(LIB_OBJ)
	@mkdir -p $(@D)
	rm -f $@ && ar rcs $@ $^

$(B)/bin/credd: $(CREDD_OBJ) $(LIB)
	@mkdir -p $(@D)
	$(CC) -pie $(CREDD_OBJ) $(LIB) -o $@ $(LDFLAGS_ALL) $(LIBS) $(SUP_LIBS)

$(B)/bin/cretula: $(TOOL_OBJ) $(LIB)
	@mkdir -p $(@D)
	$(CC) -pie $(TOOL_OBJ) $(LIB) -o $@ $(LDFLAGS_ALL) $(LIBS)

define module_rule
$(B)/modules/$(1).so: $(patsubst %.c,$(B)/obj/%.o,$(wildcard modules/$(1)/*.c)) $(LIB)
	@mkdir -p $$(@D)
	$(CC) -shared $$(filter %.o,$$^) $(LIB) -o $$@ $(LDFLAGS_ALL) \
		-Wl,--gc-sections,--exclude-libs,ALL,-z,defs $(LIBS)
endef
$(foreach m,$(MODULES),$(eval $(call module_rule,$(m))))

clean:
	rm -rf $(B)
-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
.PHONY: all clean
