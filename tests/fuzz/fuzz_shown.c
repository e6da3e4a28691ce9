/* lib/gate_shown: a client's Certificate message, of both forms; what is let through in
 * one has a whole first certificate, or none. */
#include "lib/gate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (gate_shown_ok(data, size, true))
		ENSURE(size >= 4);
	if (gate_shown_ok(data, size, false))
		ENSURE(size >= 3);
	return 0;
}
