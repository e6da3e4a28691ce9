/* certmgr: its roles, and what `certmgr --help` says. */
#include "certmgr/roles.h"
#include "lib/program.h"

int main(int argc, char **argv)
{
	static const struct program_role roles[] = {
		{ "door", role_door },         { "front", role_front },
		{ "keeper", role_keeper },     { "net", role_net },
		{ "store", role_rowstore },    { "dialer", role_dialer },
		{ "view", role_view },         { "gate", role_gate },
		{ "verifier", role_verifier },
	};
	static const struct program program = {
		.name = "certmgr",
		.about =
			"Makes a certificate for every agent of this node and hands it over by a\n"
			"one-time token. Runs in the foreground; see certmgr(8).\n",
		.role = roles,
		.roles = NELEM(roles),
		.supervisor = role_supervisor,
	};

	return program_main(&program, argc, argv);
}
