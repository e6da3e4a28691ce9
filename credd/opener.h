/* The opener: one shot, a passphrase or key file in, a master key out. */
#ifndef CREDD_OPENER_H
#define CREDD_OPENER_H

/* Answers one VO_OPEN or VO_MAKE, then ends; the exit code. */
int role_opener(void);

#endif
