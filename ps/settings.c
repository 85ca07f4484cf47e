/* SPDX-License-Identifier: Apache-2.0
 * Settings off the wire, and how two of them differ. */
#include "settings.h"

#include <stdio.h>

#include "base/banned.h"

int settings_read(const Crew__Replicas *m,
                  struct replicas *out,
                  struct crew_err *err)
{
    struct replicas r = {.to_aggregate = 0};
    if (m != NULL) {
        r = (struct replicas){.to_aggregate = m->to_aggregate,
                              .total = m->total,
                              .bounded = m->bounded != 0,
                              .max_staleness = m->max_staleness};
    }
    int rc = replicas_check(&r, err);
    if (rc == CREW_OK) {
        *out = r;
    }
    return rc;
}

static const char *truth(bool is)
{
    return is ? "true" : "false";
}

static const char *value(int64_t n, char *buf, size_t size)
{
    if (n < 0) {
        return "not set";
    }
    (void)snprintf(buf, size, "%lld", (long long)n);
    return buf;
}

#define DIFFERS(what, mine, chiefs)                                          \
    crew_err_exit(err, CREW_FAILED_PRECONDITION, 78,                         \
                  "%s is %s here, %s at the chief. Fix: give all roles the " \
                  "same options",                                            \
                  what, mine, chiefs)

int settings_compare(const struct replicas *chiefs,
                     const struct replicas *mine,
                     struct crew_err *err)
{
    char here[32], there[32];
    int64_t at_chief = 0, my = 0;
    if (replicas_sync(chiefs) != replicas_sync(mine)) {
        return DIFFERS("sync", truth(replicas_sync(mine)),
                       truth(replicas_sync(chiefs)));
    }
    const char *what = replicas_difference(chiefs, mine, &at_chief, &my);
    return what == NULL ? CREW_OK
                        : DIFFERS(what, value(my, here, sizeof(here)),
                                  value(at_chief, there, sizeof(there)));
}
