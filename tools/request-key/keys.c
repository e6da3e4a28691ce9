/* cretula-request-key: the kernel's calls for keys, in libkeyutils' words: its archive is
 * made for another C library than ours. */
#include <keyutils.h>
#include <sys/syscall.h>
#include <unistd.h>

key_serial_t keyctl_get_keyring_ID(key_serial_t id, int create)
{
	return (key_serial_t)syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, id,
				     create);
}

long keyctl_setperm(key_serial_t id, key_perm_t perm)
{
	return syscall(SYS_keyctl, KEYCTL_SETPERM, id, perm);
}

long keyctl_describe(key_serial_t id, char *text, size_t room)
{
	return syscall(SYS_keyctl, KEYCTL_DESCRIBE, id, text, room);
}

long keyctl_read(key_serial_t id, char *payload, size_t room)
{
	return syscall(SYS_keyctl, KEYCTL_READ, id, payload, room);
}

long keyctl_instantiate(key_serial_t id, const void *payload, size_t len,
			key_serial_t ring)
{
	return syscall(SYS_keyctl, KEYCTL_INSTANTIATE, id, payload, len, ring);
}

long keyctl_reject(key_serial_t id, unsigned timeout, unsigned error,
		   key_serial_t ring)
{
	return syscall(SYS_keyctl, KEYCTL_REJECT, id, timeout, error, ring);
}

long keyctl_set_timeout(key_serial_t id, unsigned timeout)
{
	return syscall(SYS_keyctl, KEYCTL_SET_TIMEOUT, id, timeout);
}

long keyctl_assume_authority(key_serial_t id)
{
	return syscall(SYS_keyctl, KEYCTL_ASSUME_AUTHORITY, id);
}
