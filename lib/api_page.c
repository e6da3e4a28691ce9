/* gate: what is answered without the core. Holds public text. */
#include "lib/api.h"

#include <stdio.h>

enum {
	PREFIX_MAX = 64,
};

bool api_admitted(struct api_conn *c, enum MHD_Result *result)
{
	if (!api.remote)
		return true;
	switch (api_remote_admit(c)) {
	case API_KNOWN:
		return true;
	case API_REFUSED:
		*result = api_remote_refuse(c);
		return false;
	case API_NOT_ASKED:
	case API_ASKED:
		break;
	}
	*result = gate_wait(&c->http);
	return false;
}

enum MHD_Result api_page_health(struct gate_conn *c)
{
	return gate_text(c, MHD_HTTP_OK, "ok\n");
}

enum MHD_Result api_page_ready(struct gate_conn *c)
{
	const char *why = NULL;

	if (!api.up)
		why = "the process behind this one is being started\n";
	else if (api.remote)
		why = api_remote_unready();
	if (why)
		return gate_text(c, MHD_HTTP_SERVICE_UNAVAILABLE, why);
	return gate_text(c, MHD_HTTP_OK, "ok\n");
}

enum MHD_Result api_page_metrics(struct gate_conn *g)
{
	static const char counter[] = "counter", gauge[] = "gauge";
	const struct gate_metric all[] = {
		{ "up", gauge, "", api.up },
		{ "requests_total", counter, "", api.port.requests },
		{ "connections", gauge, "", api.port.conns },
		{ "accepted_total", counter, "", api.port.accepted },
		{ "closed_slow_total", counter, "", api.port.closed_slow },
		{ "closed_full_total", counter, "", api.port.closed_full },
		{ "calls_done_total", counter, "", api.calls_done },
		{ "calls_failed_total", counter, "", api.calls_failed },
		{ "calls_in_flight", gauge, "", api.in_flight },
		{ "answers_held_bytes", gauge, "", api.held },
	};
	char prefix[PREFIX_MAX];
	enum MHD_Result result;

	if (!api_admitted(api_conn_of(g), &result))
		return result;
	(void)snprintf(prefix, sizeof prefix, "cretula_%s_gate_", api.daemon);
	return gate_metrics(g, prefix, all, NELEM(all));
}
