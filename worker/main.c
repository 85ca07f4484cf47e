/* SPDX-License-Identifier: Apache-2.0
 * crew-worker: the role worker of a TF_CONFIG cluster. */
#include "estimator/role_main.h"
#include "base/banned.h"

int main(int argc, char **argv)
{
    return crew_role_main(ROLE_WORKER, argc, argv);
}
