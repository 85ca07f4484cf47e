/* SPDX-License-Identifier: Apache-2.0
 * crew-chief: the role chief of a TF_CONFIG cluster. */
#include "estimator/role_main.h"
#include "base/banned.h"

int main(int argc, char **argv)
{
    return crew_role_main(ROLE_CHIEF, argc, argv);
}
