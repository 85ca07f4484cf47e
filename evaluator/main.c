/* SPDX-License-Identifier: Apache-2.0
 * crew-evaluator: the role evaluator of a TF_CONFIG cluster. */
#include "estimator/role_main.h"
#include "base/banned.h"

int main(int argc, char **argv)
{
    return crew_role_main(ROLE_EVALUATOR, argc, argv);
}
