/* SPDX-License-Identifier: Apache-2.0
 * What a job hands over as a dataset, looked at before it is used. */
#include <pthread.h>

#include "io/dataset.h"
#include "base/banned.h"

/* Only a list of all datasets can say of a pointer whether it is one of them:
 * what has been freed must not be looked at. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct crew_dataset *first;

void dataset_enlist(struct crew_dataset *d)
{
    (void)pthread_mutex_lock(&lock);
    d->next_alive = first;
    first = d;
    (void)pthread_mutex_unlock(&lock);
}

void dataset_delist(struct crew_dataset *d)
{
    struct crew_dataset **at = &first;

    (void)pthread_mutex_lock(&lock);
    while (*at != NULL && *at != d) {
        at = &(*at)->next_alive;
    }
    if (*at != NULL) {
        *at = d->next_alive;
    }
    (void)pthread_mutex_unlock(&lock);
}

static bool is_alive(const struct crew_dataset *d)
{
    const struct crew_dataset *at;

    (void)pthread_mutex_lock(&lock);
    for (at = first; at != NULL && at != d; at = at->next_alive) {
    }
    (void)pthread_mutex_unlock(&lock);
    return at != NULL;
}

int dataset_take(struct crew_dataset *d, const char *what, struct crew_err *err)
{
    if (d == NULL) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64, "%s is NULL",
                             what);
    }
    if (!is_alive(d)) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                             "%s has been freed, or is no dataset. Fix: make a "
                             "new one in each call of the input function",
                             what);
    }
    if (d->taken) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                             "%s is in use already. Fix: make a dataset for "
                             "each place that it is given to",
                             what);
    }
    d->taken = true;
    return CREW_OK;
}

static int none_next(struct crew_dataset *d,
                     void *const *out,
                     int64_t *rows,
                     struct crew_err *err)
{
    (void)out, (void)rows;
    return dataset_check(d, err);
}

static int none_rewind(struct crew_dataset *d, struct crew_err *err)
{
    return dataset_check(d, err);
}

static const struct dataset_ops none_ops = {.next = none_next,
                                            .rewind = none_rewind};

struct crew_dataset *dataset_given(struct crew_dataset *d,
                                   const char *function,
                                   const char *parameter)
{
    struct crew_err err = {0};

    if (dataset_take(d, parameter, &err) != CREW_OK) {
        d = dataset_new(sizeof *d, &none_ops, NULL);
        d->taken = true;
        d->broken = err;
        (void)crew_err_wrap(&d->broken, "%s", function);
    }
    return d;
}

bool dataset_need(struct crew_dataset *d,
                  const void *given,
                  const char *function,
                  const char *parameter)
{
    if (given == NULL) {
        (void)crew_err_exit(&d->broken, CREW_INVALID_ARGUMENT, 64,
                            "%s: %s is NULL", function, parameter);
    }
    return given != NULL;
}

int dataset_list(struct crew_dataset *d,
                 const void *given,
                 int n,
                 const char *function,
                 const char *parameter)
{
    if (n > 0 && !dataset_need(d, given, function, parameter)) {
        return 0;
    }
    return n < 0 ? 0 : n;
}
