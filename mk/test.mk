# Tests. By kind: tests/unit/test_X.c (cmocka), tests/fuzz/fuzz_X.c (replayed
# here over tests/data/fuzz/X, searched by `make fuzz`), tests/e2e/e2e_X.c and
# tests/e2e/test_X.py (against the built daemons), tests/modules/X/*.c (modules
# that misbehave on purpose), tests/bench/bench_X.c (run by `make bench`).
UNIT   := $(patsubst tests/unit/%.c,$(B)/tests/%,$(wildcard tests/unit/test_*.c))
FUZZ   := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
REPLAY := $(FUZZ:%=$(B)/tests/replay_%)
E2E    := $(patsubst tests/e2e/%.c,$(B)/tests/e2e/%,$(wildcard tests/e2e/e2e_*.c))
BENCH  := $(patsubst tests/bench/%.c,$(B)/bench/%,$(wildcard tests/bench/bench_*.c))
BAD    := $(sort $(notdir $(patsubst %/,%,$(dir $(wildcard tests/modules/*/*.c)))))
BAD_SO := $(BAD:%=$(B)/tests/modules/%.so)
BENCH_LIB := $(patsubst %.c,$(B)/obj/%.o,$(wildcard tests/bench/lib/*.c))
BENCH_TOOL := $(patsubst tests/bench/tool/%.c,$(B)/bench/tool/%,$(wildcard tests/bench/tool/*.c))
BENCH_PY := $(wildcard tests/bench/bench_*.py)
E2E_LIB := $(patsubst %.c,$(B)/obj/%.o,$(wildcard tests/e2e/lib/*.c))
TEST_LIBS = $(LIBS) $(SUP_LIBS) -ldl

$(B)/tests/test_%: $(B)/obj/tests/unit/test_%.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -pie $(filter %.o,$^) $(LIB) -o $@ $(LDFLAGS_ALL) -lcmocka $(TEST_LIBS)
$(B)/tests/replay_%: $(B)/obj/tests/fuzz/fuzz_%.o $(B)/obj/tests/fuzz/replay.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -pie $(filter %.o,$^) $(LIB) -o $@ $(LDFLAGS_ALL) $(TEST_LIBS)
$(B)/tests/e2e/%: $(B)/obj/tests/e2e/%.o $(E2E_LIB) $(LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -pie $(filter %.o,$^) $(LIB) -o $@ $(LDFLAGS_ALL) $(TEST_LIBS)
$(B)/bench/%: $(B)/obj/tests/bench/%.o $(BENCH_LIB) $(LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -pie $(filter %.o,$^) $(LIB) -o $@ $(LDFLAGS_ALL) $(TEST_LIBS) $(BENCH_LIBS)
# A helper that the kernel could call: static, as ours is.
$(B)/bench/tool/request_key_bare: $(B)/obj/tests/bench/tool/request_key_bare.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -static-pie $(filter %.o,$^) $(LIB) -o $@ $(LDFLAGS_ALL) -lkeyutils
$(B)/fuzz/fuzz_%: $(B)/obj/tests/fuzz/fuzz_%.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(filter %.o,$^) $(LIB) -o $@ $(LDFLAGS_ALL) -fsanitize=fuzzer $(TEST_LIBS)
$(foreach m,$(BAD),$(eval $(call module_rule,$(m),tests/modules/$(m),$(B)/tests/modules/$(m).so)))

BENCH_LIBS := -Wl,--as-needed -lssl -lmicrohttpd

# What a test needs besides lib/, a line a test, e.g. for one that includes a
# daemon's noun:  $(B)/tests/test_grant: $(B)/obj/credd/grant.o
CA_STORE_OBJ := $(patsubst %.c,$(B)/obj/%.o,$(wildcard ca/store*.c))
$(patsubst tests/unit/%.c,$(B)/tests/%,$(wildcard tests/unit/test_ca_store*.c)): \
	$(CA_STORE_OBJ)
$(B)/tests/test_opener: $(B)/obj/credd/opener.o
$(B)/tests/test_run_table: $(B)/obj/credd/vault_run_table.o
SIGNER_OBJ := $(patsubst %.c,$(B)/obj/%.o,$(wildcard ca/signer_*.c))
$(B)/tests/test_signer_mark: $(B)/obj/ca/signer_mark.o
$(B)/tests/test_signer $(B)/tests/test_signer_ocsp $(B)/tests/test_signer_crl $(B)/tests/test_signer_keys \
	$(B)/tests/replay_signer $(B)/fuzz/fuzz_signer: $(SIGNER_OBJ)
$(B)/tests/test_signer_role: $(SIGNER_OBJ) $(B)/obj/ca/signer.o
$(B)/tests/e2e/e2e_sandbox $(B)/tests/e2e/e2e_worker: $(addprefix $(B)/obj/credd/,zygote.o cage.o worker.o host.o host_list.o)
$(B)/tests/e2e/e2e_sandbox: $(addprefix $(B)/obj/credd/,zygote.o cage.o worker.o host.o host_list.o)
$(B)/bench/bench_sign: $(addprefix $(B)/obj/credd/,host.o host_list.o)
$(B)/bench/tool/ca_fill: $(SIGNER_OBJ) $(CA_STORE_OBJ)
GATE_OBJ := $(patsubst %.c,$(B)/obj/%.o,$(wildcard ca/gate*.c))
GATE_USERS := $(addprefix $(B)/tests/,test_gate test_gate_slow test_gate_shake test_gate_tls test_gate_handed test_json_attrs \
	replay_json_attrs test_json_list replay_json_list test_api)
$(GATE_USERS) $(B)/tests/replay_shown $(addprefix $(B)/fuzz/fuzz_,shown json_attrs json_list): TEST_LIBS += $(CA_LIBS)
GATE_USERS := $(addprefix $(B)/tests/,test_gate test_gate_slow test_gate_shake test_gate_tls test_gate_handed test_api_remote \
	test_json_attrs replay_json_attrs test_json_list replay_json_list replay_shown)
$(GATE_USERS) $(B)/fuzz/fuzz_shown $(B)/fuzz/fuzz_json_attrs $(B)/fuzz/fuzz_json_list: TEST_LIBS += $(CA_LIBS)
$(B)/tests/test_gate $(B)/tests/test_gate_slow $(B)/tests/test_gate_shake $(B)/tests/test_gate_tls: $(GATE_OBJ)
$(B)/tests/test_api: TEST_LIBS += -Wl,--wrap=clock_boot
$(B)/tests/test_prober: $(B)/obj/ca/prober.o $(B)/obj/ca/prober_tls.o
$(B)/tests/replay_handshake $(B)/fuzz/fuzz_handshake: $(B)/obj/ca/prober_tls.o
$(B)/tests/test_prober $(B)/tests/replay_handshake $(B)/fuzz/fuzz_handshake: TEST_LIBS += -lssl
$(B)/tests/test_client_agent $(B)/tests/test_client_agent_renew: TEST_LIBS += -lssl
$(B)/tests/test_dialer: TEST_LIBS += -lcares
VIEW_OBJ := $(patsubst %.c,$(B)/obj/%.o,$(wildcard certmgr/view*.c) certmgr/mount.c)
VIEW_USERS := $(addprefix $(B)/tests/,test_view test_view_see test_view_keeper)
$(VIEW_USERS): $(VIEW_OBJ)
$(VIEW_USERS) $(B)/tests/test_mute_exe: TEST_LIBS += $(VIEW_LIBS)
$(B)/tests/test_view_mount $(B)/tests/replay_view_mounts $(B)/fuzz/fuzz_view_mounts $(B)/bench/tool/fuse_bare: \
	$(B)/obj/certmgr/mount.o
$(B)/bench/tool/agent_key: BENCH_LIBS += -lkeyutils
$(B)/bench/tool/gate_sign: BENCH_LIBS += -ljansson
$(B)/bench/tool/fuse_bare: BENCH_LIBS += $(VIEW_LIBS)
NET_OBJ := $(patsubst %.c,$(B)/obj/%.o,$(wildcard certmgr/net*.c))
NET_USERS := $(patsubst tests/unit/%.c,$(B)/tests/%,$(wildcard tests/unit/test_net*.c)) $(B)/tests/replay_net_answer $(B)/fuzz/fuzz_net_answer \
	$(B)/tests/replay_boot_text $(B)/fuzz/fuzz_boot_text
$(NET_USERS): $(NET_OBJ)
$(NET_USERS): TEST_LIBS += -lssl -ljansson
MODHOST := $(B)/obj/tests/tool/modhost.o
$(B)/tests/test_mod_hmac: $(MODHOST) $(B)/modules/hmac.so
$(B)/tests/test_mod_sigv4 $(B)/tests/test_mod_sigv4_facts: $(MODHOST) $(B)/modules/aws-sigv4.so
SIGV4_OBJ := $(patsubst %.c,$(B)/obj/%.o,$(wildcard modules/aws-sigv4/*.c))
MODFUZZ := $(MODHOST) $(B)/obj/tests/tool/modfuzz.o
$(B)/tests/replay_sigv4 $(B)/fuzz/fuzz_sigv4: $(SIGV4_OBJ) $(MODFUZZ)
HMAC_OBJ := $(patsubst %.c,$(B)/obj/%.o,$(wildcard modules/hmac/*.c))
$(B)/tests/replay_hmac $(B)/fuzz/fuzz_hmac: $(HMAC_OBJ) $(MODFUZZ)

$(B)/tests/test_upcall_text $(B)/tests/replay_upcall_text $(B)/fuzz/fuzz_upcall_text: \
	$(B)/obj/tools/request-key/text.o
$(B)/tests/test_upcall_register: $(B)/obj/tools/upcall.o

# Modules without a sandbox, for tests that make thousands of calls.
$(B)/tests/modrun: $(B)/obj/tests/tool/modrun.o $(MODHOST) $(LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -pie $(filter %.o,$^) $(LIB) -o $@ $(LDFLAGS_ALL) $(LIBS) -ldl
tests: $(B)/tests/modrun $(B)/bin/cretula-request-key

# The clock of one host of several (tests/e2e/lib/hosts.py).
$(B)/tests/skew.so: $(B)/obj/tests/tool/skew.o
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) -shared $< -o $@ $(LDFLAGS_ALL)
tests: $(B)/tests/skew.so

tests: $(UNIT) $(REPLAY) $(E2E) $(BAD_SO)
unit: $(UNIT)
	scripts/run-tests --build $(B) --kind unit
check: all tests
	scripts/run-tests --build $(B) $(RUN)

# The sub-make begins after the packages are there, and so sees the compiler.
test: deps
	+@$(MAKE) --no-print-directory $(JOBS) check

demo: deps
	+@$(MAKE) --no-print-directory $(JOBS) all
	$(B)/bin/cretula playground -- scripts/demo

bench:
	+@$(MAKE) --no-print-directory $(JOBS) all bench-programs
	@set -e; for b in $(BENCH) $(BENCH_PY); do CRETULA_BUILD=$(abspath $(B)) $$b; done
bench-programs: $(BENCH) $(BENCH_TOOL)

# FUZZ_SECONDS for each target; FUZZ_ONLY=attr for one of them.
FUZZ_SECONDS ?= 20
FUZZ_ONLY    ?= $(FUZZ)
fuzz:
	+@$(MAKE) --no-print-directory $(JOBS) CC=clang VARIANT=fuzz \
		B=$(B)-fuzz fuzz-run FUZZ_ONLY='$(FUZZ_ONLY)'
fuzz-run: $(FUZZ_ONLY:%=$(B)/fuzz/fuzz_%)
	@for t in $(FUZZ_ONLY); do scripts/fuzz $(B) $$t $(FUZZ_SECONDS) || exit 1; done

# Not for confined daemons: unit tests and replays only.
valgrind: $(UNIT) $(REPLAY)
	scripts/run-tests --build $(B) --kind unit --kind replay --valgrind

# Each test once more while random processes are starved: who relies on being first
# is not. With RUN= what run-tests takes, e.g. RUN="--kind python test_agent".
starved: all tests
	scripts/starve scripts/run-tests --build $(B) $(RUN)

lint:
	scripts/lint
.PHONY: tests unit check test demo bench bench-programs fuzz fuzz-run valgrind starved lint
