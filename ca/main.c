/* ca: its roles, and what `ca --help` says. */
#include "ca/roles.h"
#include "lib/program.h"

int main(int argc, char **argv)
{
	static const struct program_role roles[] = {
		{ "door", role_door },     { "front", role_front },
		{ "gate", role_ca_gate },  { "issuer", role_issuer },
		{ "store", role_store },   { "signer", role_signer },
		{ "prober", role_prober }, { "dialer", role_dialer },
	};
	static const struct program program = {
		.name = "ca",
		.about =
			"Enrols agents, issues and revokes their certificates, answers OCSP and\n"
			"serves CRLs. Runs in the foreground; see ca(8).\n",
		.role = roles,
		.roles = NELEM(roles),
		.supervisor = role_supervisor,
	};

	return program_main(&program, argc, argv);
}
