/* The hello of the native protocol (docs/protocol.md, formats.md "Hello"). */
#ifndef LIB_HELLO_H
#define LIB_HELLO_H

enum {
	HELLO_NONCE = 16,
	HELLO_SERVER = HELLO_NONCE + 4, /* nonce, lowest u16, highest u16 */
	HELLO_CLIENT = HELLO_NONCE + 2, /* nonce, version u16 */
	HELLO_VERSION = 1,
};

#endif
