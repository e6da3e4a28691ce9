/* The listener where the CA's prober finds the node's key (net_prove.c). */
#ifndef CERTMGR_NET_PROVE_H
#define CERTMGR_NET_PROVE_H

#include "certmgr/net.h"

/* What is spoken there (ca/prober.h). */
#define PROVE_ALPN "cretula-verify"

/* Before confinement. possible: the supervisor has a listener to give. */
void prove_open(struct loop *l, bool possible);
bool prove_possible(void);

/* Asks the supervisor for the listener; its port, 0: there is none. Called once, later. */
typedef void prove_listening(uint16_t port);
void prove_listen(prove_listening *then);
void prove_cancel(void);
/* Why there was none when it was asked for the last time; "": there was one. */
const char *prove_why(void);
/* The supervisor's answer (SUP_PROOF); fd is taken. */
void prove_given(const struct msg *m, int fd);
bool prove_has_listener(void);

/* Callers are answered from now on, with the certificate that net shows. */
void prove_serve(void);
/* The listener and all calls are closed. */
void prove_stop(void);
/* How many came since prove_serve, and how many saw the key. */
unsigned prove_calls(unsigned *proven);

#endif
