#include "tools/cli.h"
const struct verb verbs_playground[] = { { 0 } };
