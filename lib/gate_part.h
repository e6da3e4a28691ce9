/* What the files of lib/gate*.c share. */
#ifndef LIB_GATE_PART_H
#define LIB_GATE_PART_H

#include "lib/gate.h"

/* gate_conn.c */
void gate_conn_notify(void *cls, struct MHD_Connection *mc, void **context,
		      enum MHD_ConnectionNotificationCode what);
struct gate_conn *gate_conn_of(struct MHD_Connection *mc);
void gate_conn_whole(struct gate_conn *c);    /* the request is there */
void gate_conn_answered(struct gate_conn *c); /* the next may come */
void gate_conn_slow(struct loop_timer *t);    /* port->slow.on */

/* gate_http.c */
enum MHD_Result gate_http_request(void *cls, struct MHD_Connection *mc,
				  const char *url, const char *method,
				  const char *version, const char *data,
				  size_t *size, void **context);
void gate_http_completed(void *cls, struct MHD_Connection *mc, void **context,
			 enum MHD_RequestTerminationCode why);
/* To be answered so when its head or its body is there. why NULL: as the route says;
 * status 0: the one that goes with code. */
void gate_http_refuse(struct gate_conn *c, enum err code, unsigned status,
		      const char *why);

/* gate_body.c. Takes *size bytes of the request's body. */
enum MHD_Result gate_body_take(struct gate_conn *c, const char *data,
			       size_t *size);
void gate_body_whole(struct gate_conn *c); /* no more comes */

/* gate_route.c. Sets conn->var; NULL: there is none. */
const struct gate_route *gate_route_of(struct gate_conn *c, const char *url);

/* gate_shake.c */
void gate_shake_open(void);
void gate_shake_close(void);          /* none is set aside any more */
void gate_shake_aside(struct mhd *m); /* mhd.after of a TLS port */
void gate_shake_begin(struct gate_conn *c, gnutls_session_t session);
void gate_shake_end(struct gate_conn *c);

/* gate_linger.c: keeps the socket of a connection that is being closed until its
 * client has sent what it wanted to, for a while. */
void gate_linger_open(void);
void gate_linger_close(void);
void gate_linger(int fd);

/* gate_tls.c */
struct MHD_Daemon *gate_tls_daemon(int fd, struct MHD_OptionItem *common);
void gate_tls_begin(struct gate_conn *c); /* before its handshake */
void gate_tls_close(void);

#endif
