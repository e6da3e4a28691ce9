# Flags: warnings always, hardening in the release variant, sanitizers in `san`.
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion \
	-Wstrict-prototypes -Wmissing-prototypes -Wcast-qual -Wwrite-strings \
	-Wundef -Wvla -Wformat=2 -Wnull-dereference -Wswitch-enum
BASE := -std=c17 -D_GNU_SOURCE -I. -Iinclude -fPIC -g -MMD -MP -pthread
probe = $(shell $(CC) $(1) -Werror -x c -c -o /dev/null /dev/null 2>/dev/null && echo $(1))
HARD := -O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong \
	-fstack-clash-protection -fcf-protection \
	$(call probe,-ftrivial-auto-var-init=zero) \
	$(call probe,-fzero-call-used-regs=used-gpr)
SAN  := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined \
	-fno-sanitize-recover=undefined
ifeq ($(VARIANT),san)
MODE    := $(SAN)
LDMODE  := -fsanitize=address,undefined
else
MODE    := $(HARD)
LDMODE  := -Wl,-z,relro,-z,now,-z,noexecstack
endif
ifeq ($(WERROR),1)
WARN += -Werror
endif
CFLAGS_ALL := $(BASE) $(WARN) $(MODE) $(CFLAGS)
LDFLAGS_ALL := $(LDMODE) $(LDFLAGS) -pthread
