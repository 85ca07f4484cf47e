/* SPDX-License-Identifier: Apache-2.0
 * Addresses out of TF_CONFIG, with ports filled in. */
#include "cluster/addresses.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "rpc/copy.h"

#include "base/banned.h"

static int plain(const char *given, char **out, struct crew_err *err)
{
    struct address a;
    char text[300];
    int rc = address_split(given, false, &a, err);
    if (rc == CREW_OK) {
        *out = xstrdup(address_text(&a, text, sizeof(text)));
    }
    return rc;
}

static int all_ps(struct addresses *as,
                  const struct tf_config *tf,
                  struct crew_err *err)
{
    int64_t n = tf->num_ps_replicas;
    if (n <= 0) {
        return crew_err_exit(err, CREW_FAILED_PRECONDITION, 78,
                             "TF_CONFIG's cluster has no ps; a %s needs one",
                             role_name(tf->role));
    }
    as->ps = xcalloc((size_t)n, sizeof(as->ps[0]));
    for (int64_t i = 0; i < n; i++) {
        const char *given = cluster_address(tf->cluster, ROLE_PS, i);
        if (given == NULL) {
            return crew_err_exit(
                err, CREW_FAILED_PRECONDITION, 78,
                "TF_CONFIG's cluster does not list ps %lld; a %s "
                "needs the address of every ps",
                (long long)i, role_name(tf->role));
        }
        as->num_ps++;
        int rc = plain(given, &as->ps[i], err);
        if (rc != CREW_OK) {
            return rc;
        }
    }
    return CREW_OK;
}

/* --bind without a port keeps the task's own. */
static int own(struct addresses *as,
               const struct tf_config *tf,
               const char *bind,
               struct crew_err *err)
{
    const char *given = cluster_address(tf->cluster, tf->role, tf->index);
    struct address a, b;
    char text[300];
    if (given == NULL && bind == NULL) {
        return CREW_OK; /* an evaluator is not part of the cluster */
    }
    int rc = given != NULL ? address_split(given, false, &a, err) : CREW_OK;
    if (rc == CREW_OK && bind != NULL) {
        rc = address_split(bind, false, &b, err);
        if (rc == CREW_OK && b.default_port && given != NULL) {
            b.port = a.port;
        }
        a = b;
    }
    if (rc == CREW_OK) {
        as->own = xstrdup(address_text(&a, text, sizeof(text)));
    }
    return rc;
}

int addresses_init(struct addresses *as,
                   const struct tf_config *tf,
                   const char *bind,
                   struct crew_err *err)
{
    *as = (struct addresses){.num_ps = 0};
    int rc = all_ps(as, tf, err);
    rc = rc ? rc : own(as, tf, bind, err);
    if (rc != CREW_OK) {
        addresses_release(as);
        return rc;
    }
    as->cluster = cluster_canonical(tf->cluster);
    return CREW_OK;
}

void addresses_release(struct addresses *as)
{
    for (int i = 0; i < as->num_ps; i++) {
        free(as->ps[i]);
    }
    free(as->ps);
    free(as->own);
    free(as->cluster);
    *as = (struct addresses){.num_ps = 0};
}
