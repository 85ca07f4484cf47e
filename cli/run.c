/* SPDX-License-Identifier: Apache-2.0
 * crew run: the role that TF_CONFIG names; without one all of it in this
 * process. */
#include "cli/commands.h"
#include "estimator/role_main.h"
#include "base/banned.h"

int cmd_run(int argc, char **argv)
{
    static char name[] = "crew run";

    argv[0] = name;
    return crew_role_main(ROLE_LOCAL, argc, argv);
}
