/* SPDX-License-Identifier: Apache-2.0
 * The Estimators that there are in this process. */
#include <pthread.h>

#include "estimator/estimator.h"
#include "base/banned.h"

/* The one piece of state that belongs to the process: only a list of all can
 * say of a pointer whether it is one of them. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct crew_estimator *first;

void estimator_enlist(struct crew_estimator *e)
{
    (void)pthread_mutex_lock(&lock);
    e->next = first;
    first = e;
    (void)pthread_mutex_unlock(&lock);
}

void estimator_delist(struct crew_estimator *e)
{
    struct crew_estimator **at = &first;

    (void)pthread_mutex_lock(&lock);
    while (*at != NULL && *at != e) {
        at = &(*at)->next;
    }
    if (*at != NULL) {
        *at = e->next;
    }
    (void)pthread_mutex_unlock(&lock);
}

bool estimator_lives(const struct crew_estimator *e)
{
    const struct crew_estimator *at;

    (void)pthread_mutex_lock(&lock);
    for (at = first; at != NULL && at != e; at = at->next) {
    }
    (void)pthread_mutex_unlock(&lock);
    return at != NULL;
}
