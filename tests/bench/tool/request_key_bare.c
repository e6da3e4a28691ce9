/* Benchmark: the least that a helper can do. Static; takes the authority over the key
 * it is called for and makes it a constant. What cretula-request-key is measured by. */
#include "lib/num.h"

#include <keyutils.h>
#include <string.h>

enum {
	PAYLOAD = 1471, /* bytes: a key, its certificate and the CA's, in PEM */
};

int main(int argc, char **argv)
{
	char payload[PAYLOAD];
	uint64_t key;

	if (argc != 2 ||
	    num_u64(argv[1], strlen(argv[1]), INT32_MAX, &key) != OK)
		return 1;
	memset(payload, 'x', sizeof payload);
	if (keyctl_assume_authority((key_serial_t)key) < 0)
		return 1;
	return keyctl_instantiate((key_serial_t)key, payload, sizeof payload,
				  0) < 0;
}
