# What is built: one archive of lib/, the daemons, the command, the modules.
# A sanitizer cannot live under the real filters: confine_san.c takes the place
# of confine_variant.c in the variants that have one.
LIB_SKIP := $(if $(filter release,$(VARIANT)),lib/confine_san.c,lib/confine_variant.c)
LIB_SRC  := $(filter-out $(LIB_SKIP),$(wildcard lib/*.c))
LIB_OBJ  := $(LIB_SRC:%.c=$(B)/obj/%.o)
LIB      := $(B)/libcretula_internal.a
# libssl for what has libcretula's sources in it, and for nothing else.
LIBS     := -lsodium -Wl,--push-state,--as-needed -lssl -Wl,--pop-state -lcrypto
SUP_LIBS := -lsqlite3 -lseccomp
GATE_LIBS := -Wl,--as-needed -lmicrohttpd -lgnutls -ljansson -lssl -lcares
CA_LIBS  := $(GATE_LIBS)
VIEW_LIBS := -lfuse3 -ljansson
CM_LIBS  := $(GATE_LIBS) -lfuse3
TOOL_LIBS := -Wl,--as-needed -lcurl -ljansson

CREDD_OBJ := $(patsubst %.c,$(B)/obj/%.o,$(wildcard credd/*.c))
CA_OBJ    := $(patsubst %.c,$(B)/obj/%.o,$(wildcard ca/*.c))
CM_OBJ    := $(patsubst %.c,$(B)/obj/%.o,$(wildcard certmgr/*.c))
TOOL_OBJ  := $(patsubst %.c,$(B)/obj/%.o,$(wildcard tools/*.c))
MODULES   := $(notdir $(patsubst %/,%,$(dir $(wildcard modules/*/*.c))))
MODULES   := $(sort $(MODULES))

all: $(B)/bin/credd $(if $(CA_OBJ),$(B)/bin/ca) $(if $(CM_OBJ),$(B)/bin/certmgr) \
	$(if $(TOOL_OBJ),$(B)/bin/cretula) \
	$(MODULES:%=$(B)/modules/%.so) $(LIB) \
	$(B)/bin/cretula-request-key \
	$(B)/lib/libcretula.a $(B)/lib/libcretula.so $(B)/examples/sign $(B)/examples/serve

# Where an installed credd looks for modules unless modules= says otherwise.
PREFIX  ?= /usr/local
TRIPLET := $(shell $(CC) -print-multiarch 2>/dev/null)
$(B)/obj/credd/supervisor_setup.o: CFLAGS_ALL += \
	-DCRETULA_MODULES='"$(PREFIX)/lib/$(TRIPLET)/cretula"'

# What is built into it.
$(B)/obj/lib/openapi.o: $(wildcard docs/openapi/*.json)

# Changes only when the compiler or a flag does, and then all is made anew.
$(B)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL)' | cmp -s - $@ || \
		echo '$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL)' > $@
FORCE:

$(B)/obj/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CFLAGS_ALL) -c $< -o $@

$(LIB): $(LIB_OBJ)
	@mkdir -p $(@D)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(B)/bin/credd: $(CREDD_OBJ) $(LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -pie $(CREDD_OBJ) $(LIB) -o $@ $(LDFLAGS_ALL) $(LIBS) $(SUP_LIBS) $(GATE_LIBS)

$(B)/bin/ca: $(CA_OBJ) $(LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -pie $(CA_OBJ) $(LIB) -o $@ $(LDFLAGS_ALL) $(LIBS) $(SUP_LIBS) $(CA_LIBS)

$(B)/bin/certmgr: $(CM_OBJ) $(LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -pie $(CM_OBJ) $(LIB) -o $@ $(LDFLAGS_ALL) $(LIBS) $(SUP_LIBS) $(CM_LIBS)

$(B)/bin/cretula: $(TOOL_OBJ) $(LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -pie $(TOOL_OBJ) $(LIB) -o $@ $(LDFLAGS_ALL) $(LIBS) $(TOOL_LIBS)

# What the kernel starts for a key: static, with musl, since that starts in half the
# time of glibc, whose start asks the processor some thirty times what it is: that takes
# long in a virtual machine. No sanitizer can live in it. UPCALL_LIB: what it needs of
# lib/; its own secret_small.o takes the place of what would bring libsodium.
UPCALL_LIB   := agent_id attr base buf clock dns_name enc err msg num procinfo \
	procinfo_attr rd
UPCALL_SRC   := $(wildcard tools/request-key/*.c) $(UPCALL_LIB:%=lib/%.c)
UPCALL_OBJ   := $(UPCALL_SRC:%.c=$(B)/musl/%.o)
MUSL_TRIPLET := $(TRIPLET:%-gnu=%-musl)
MUSL         := /usr/lib/$(MUSL_TRIPLET)
# Linux's own headers are beside glibc's.
MUSL_CFLAGS  := -nostdinc -isystem /usr/include/$(MUSL_TRIPLET) \
	-idirafter /usr/include/$(TRIPLET) -idirafter /usr/include \
	-ffunction-sections
MUSL_START   := $(addprefix $(MUSL)/,rcrt1.o crti.o)
$(B)/musl/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(MUSL_CFLAGS) -c $< -o $@
UPCALL_B   := $(if $(filter release,$(VARIANT)),$(B),$(B)/plain)
ifeq ($(VARIANT),release)
$(B)/bin/cretula-request-key: $(UPCALL_OBJ)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -static-pie -nostdlib $(MUSL_START) $(UPCALL_OBJ) -o $@ \
		$(filter-out -pthread,$(LDFLAGS_ALL)) -Wl,--gc-sections \
		$(MUSL)/libc.a -lgcc $(MUSL)/crtn.o
else
$(B)/bin/cretula-request-key: FORCE
	@mkdir -p $(@D)
	+$(Q)$(MAKE) --no-print-directory VARIANT=release B=$(UPCALL_B) \
		$(UPCALL_B)/bin/cretula-request-key
	$(Q)cmp -s $(UPCALL_B)/bin/cretula-request-key $@ || \
		cp $(UPCALL_B)/bin/cretula-request-key $@
endif

# The client library: all of it in one object, only its API visible.
Z_DEFS     := -Wl,-z,defs
CLIENT_OBJ := $(filter $(B)/obj/lib/client%.o,$(LIB_OBJ))
$(B)/lib/libcretula.a: $(CLIENT_OBJ) $(LIB)
	@mkdir -p $(@D)
	$(call say,AR,$@)
	$(Q)ld -r -o $(@:.a=.o) $^
	$(Q)objcopy -w --keep-global-symbol='cretula_*' $(@:.a=.o)
	$(Q)rm -f $@ && ar rcs $@ $(@:.a=.o) && rm -f $(@:.a=.o)

$(B)/lib/libcretula.so: $(CLIENT_OBJ) $(LIB) lib/libcretula.map
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -shared -Wl,-soname,libcretula.so.0 $(CLIENT_OBJ) $(LIB) -o $@ \
		-Wl,--version-script=lib/libcretula.map \
		$(if $(filter release,$(VARIANT)),$(Z_DEFS)) \
		$(LDFLAGS_ALL) -Wl,--as-needed -lssl $(LIBS)
	$(Q)ln -sf libcretula.so $@.0

# As a stranger would: without our macros.
$(B)/obj/examples/c/%.o: private CFLAGS_ALL += -U_GNU_SOURCE

$(B)/examples/sign: $(B)/obj/examples/c/sign.o $(B)/lib/libcretula.so
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -pie $< -o $@ $(LDFLAGS_ALL) -L$(B)/lib -lcretula \
		-Wl,-rpath,'$$ORIGIN/../lib'

$(B)/examples/serve: $(B)/obj/examples/c/serve.o $(B)/lib/libcretula.so
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -pie $< -o $@ $(LDFLAGS_ALL) -L$(B)/lib -lcretula -lssl -lcrypto \
		-Wl,-rpath,'$$ORIGIN/../lib'

# $(call module_rule,NAME,FOLDER OF SOURCES,RESULT); credd leaves out modules that
# others can write, whatever the umask here is.
define module_rule
$(3): $(patsubst %.c,$(B)/obj/%.o,$(wildcard $(2)/*.c)) $(LIB)
	@mkdir -p $$(@D)
	$$(call say,LD,$$@)
	$$(Q)$(CC) -shared $$(filter %.o,$$^) $(LIB) -o $$@ $(LDFLAGS_ALL) \
		-Wl,--gc-sections,--exclude-libs,ALL,-z,defs $(LIBS)
	$$(Q)chmod go-w $$@
endef
$(foreach m,$(MODULES),$(eval $(call module_rule,$(m),modules/$(m),$(B)/modules/$(m).so)))

# DESTDIR and PREFIX as everywhere; services and users are the package's matter.
install: all
	install -D -m 755 -t $(DESTDIR)$(PREFIX)/bin $(B)/bin/cretula
	install -D -m 755 -t $(DESTDIR)$(PREFIX)/sbin $(B)/bin/credd \
		$(if $(CA_OBJ),$(B)/bin/ca) $(if $(CM_OBJ),$(B)/bin/certmgr)
	install -D -m 755 -t $(DESTDIR)/usr/libexec/cretula \
		$(B)/bin/cretula-request-key
	install -D -m 644 -t $(DESTDIR)/etc/request-key.d \
		dist/request-key.d/cretula.conf
	install -D -m 644 -t $(DESTDIR)/usr/lib/sysctl.d \
		dist/sysctl.d/60-cretula.conf
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/lib/$(TRIPLET)/cretula \
		$(MODULES:%=$(B)/modules/%.so)
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/lib/$(TRIPLET) \
		$(B)/lib/libcretula.a
	install -m 644 $(B)/lib/libcretula.so \
		$(DESTDIR)$(PREFIX)/lib/$(TRIPLET)/libcretula.so.0
	ln -sf libcretula.so.0 $(DESTDIR)$(PREFIX)/lib/$(TRIPLET)/libcretula.so
	sed 's|@PREFIX@|$(PREFIX)|; s|@TRIPLET@|$(TRIPLET)|' dist/libcretula.pc.in | \
		install -D -m 644 /dev/stdin \
		$(DESTDIR)$(PREFIX)/lib/$(TRIPLET)/pkgconfig/libcretula.pc
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/include/cretula \
		include/cretula/*.h
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man1 tools/cretula.1
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man5 \
		credd/credd.conf.5 ca/ca.conf.5 certmgr/certmgr.conf.5
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man8 \
		credd/credd.8 ca/ca.8 certmgr/certmgr.8

clean:
	rm -rf $(B)
-include $(shell find $(B)/obj $(B)/musl -name '*.d' 2>/dev/null)
.SECONDARY:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all
.PHONY: all install clean FORCE
