/* The page of a gate that describes what it serves. */
#ifndef LIB_GATE_OPENAPI_H
#define LIB_GATE_OPENAPI_H

#include "lib/gate.h"

/* Before requests come; daemon: credd, certmgr, ca. */
void gate_openapi_open(const char *daemon);
void gate_openapi_close(void);

/* gate_route.run of a GET */
enum MHD_Result gate_openapi_run(struct gate_conn *c);

#endif
