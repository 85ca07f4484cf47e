/* SPDX-License-Identifier: Apache-2.0
 * The release number of the library, for programs that want to print it. */
#include "crew.h"

#include "base/banned.h"

const char *crew_version(void)
{
    return CREW_VERSION;
}
