/* credd: its roles, and what `credd --help` says. */
#include "credd/roles.h"
#include "lib/program.h"

int main(int argc, char **argv)
{
	static const struct program_role roles[] = {
		{ "door", role_door },     { "front", role_front },
		{ "vault", role_vault },   { "store", role_rowstore },
		{ "opener", role_opener }, { "zygote", role_zygote },
		{ "gate", role_gate },     { "verifier", role_verifier },
		{ "dialer", role_dialer },
	};
	static const struct program program = {
		.name = "credd",
		.about =
			"Keeps provider secrets sealed and signs requests for clients\n"
			"that never see them. Runs in the foreground; see credd(8).\n",
		.role = roles,
		.roles = NELEM(roles),
		.supervisor = role_supervisor,
	};

	return program_main(&program, argc, argv);
}
