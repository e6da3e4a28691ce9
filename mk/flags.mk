# Flags: warnings always; hardening in the release variant, sanitizers in `san`,
# sanitizers and libFuzzer's counters in `fuzz`. No probe fails without compiler.
# Not -ftrivial-auto-var-init=zero: gcc 12.2 with it clears the upper halves of pointers
# in an aggregate whose initializers call what returns a struct with padding by value.
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion \
	-Wstrict-prototypes -Wmissing-prototypes -Wcast-qual -Wwrite-strings \
	-Wundef -Wvla -Wformat=2 -Wnull-dereference -Wswitch-enum
BASE := -std=c17 -D_GNU_SOURCE -I. -Iinclude -fPIC -g -MMD -MP -pthread
probe = $(shell $(CC) $(1) -Werror -x c -c -o /dev/null /dev/null 2>/dev/null \
	&& echo $(1))
SAN  := -O1 -fno-omit-frame-pointer -fno-sanitize-recover=undefined
MODE_release = -O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 \
	-fstack-protector-strong -fstack-clash-protection -fcf-protection \
	$(call probe,-fzero-call-used-regs=used-gpr)
MODE_san     = $(SAN) -fsanitize=address,undefined
MODE_fuzz    = $(SAN) -fsanitize=address,undefined,fuzzer-no-link
LINK_release = -Wl,-z,relro,-z,now,-z,noexecstack
LINK_san     = -fsanitize=address,undefined
LINK_fuzz    = -fsanitize=address,undefined
MODE   := $(MODE_$(VARIANT))
LDMODE := $(LINK_$(VARIANT))
ifeq ($(MODE),)
$(error no VARIANT=$(VARIANT): release, san and fuzz are)
endif
ifeq ($(WERROR),1)
WARN += -Werror
endif
CFLAGS_ALL  := $(BASE) $(WARN) $(MODE) $(CFLAGS)
LDFLAGS_ALL := $(LDMODE) $(LDFLAGS) -pthread

# Sub-makes use every processor unless the caller chose otherwise.
JOBS = $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(shell nproc))

# One line for each thing made; the whole command with V=1.
Q   := $(if $(V),,@)
say  = $(if $(V),,@printf '%-4s %s\n' $(1) $(2))
