/* SPDX-License-Identifier: Apache-2.0
 * A cluster as one text that peers exchange, and how two of them differ. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "config/cluster.h"
#include "base/banned.h"

/* What the text names, in its order. The evaluator is no member. */
static const char *const members[] = {"chief", "ps", "worker"};

/* The address as everybody writes it; one that cannot be taken apart stays. */
static cJSON *address_item(const char *address)
{
    struct crew_err ignored = {0};
    struct address a;
    char text[300];

    if (address_split(address, false, &a, &ignored) != CREW_OK) {
        return cJSON_CreateString(address);
    }
    return cJSON_CreateString(address_text(&a, text, sizeof text));
}

static cJSON *job_item(const struct cluster_job *job)
{
    cJSON *item = job->sparse ? cJSON_CreateObject() : cJSON_CreateArray();
    char key[32];

    for (size_t i = 0; i < job->n; i++) {
        cJSON *address = address_item(job->tasks[i].address);
        if (job->sparse) {
            (void)snprintf(key, sizeof key, "%lld",
                           (long long)job->tasks[i].index);
            (void)cJSON_AddItemToObject(item, key, address);
        } else {
            (void)cJSON_AddItemToArray(item, address);
        }
    }
    return item;
}

char *cluster_canonical(const struct cluster *c)
{
    cJSON *object = cJSON_CreateObject();
    char *text;

    for (size_t i = 0; i < COUNT_OF(members); i++) {
        const struct cluster_job *job =
            i == 0 ? cluster_chief_job(c) : cluster_job(c, members[i]);
        if (job != NULL && (job->sparse || job->n > 0)) {
            (void)cJSON_AddItemToObject(object, members[i], job_item(job));
        }
    }
    text = cJSON_PrintUnformatted(object);
    cJSON_Delete(object);
    return text;
}

/* Put "ps[1] is "a" here, "b" there" into buf; NULL: not listed. */
static void say(char *buf,
                size_t size,
                const char *job,
                int64_t index,
                const char *here,
                const char *there)
{
    char h[220] = "not listed", t[220] = "not listed";

    if (here != NULL) {
        (void)snprintf(h, sizeof h, "\"%.200s\"", here);
    }
    if (there != NULL) {
        (void)snprintf(t, sizeof t, "\"%.200s\"", there);
    }
    (void)snprintf(buf, size, "%s[%lld] is %s here, %s there", job,
                   (long long)index, h, t);
}

/* Look for a's tasks in b. `swapped`: a is the other side's. */
static bool job_differs(const struct cluster_job *a,
                        const struct cluster_job *b,
                        bool swapped,
                        char *buf,
                        size_t size)
{
    for (size_t i = 0; a != NULL && i < a->n; i++) {
        const struct cluster_task *task = &a->tasks[i];
        const struct cluster_task *other = cluster_job_task(b, task->index);
        const char *x = task->address,
                   *y = other != NULL ? other->address : NULL;
        if (y == NULL ? b == NULL || !b->sparse : strcmp(x, y) != 0) {
            say(buf, size, a->name, task->index, swapped ? y : x,
                swapped ? x : y);
            return true;
        }
    }
    return false;
}

static bool clusters_differ(const struct cluster *here,
                            const struct cluster *there,
                            char *buf,
                            size_t size)
{
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        const struct cluster_job *a = cluster_job(here, members[i]);
        const struct cluster_job *b = cluster_job(there, members[i]);
        if (job_differs(a, b, false, buf, size) ||
            job_differs(b, a, true, buf, size)) {
            return true;
        }
    }
    return false;
}

static struct cluster *parse(const char *text, struct crew_err *err)
{
    struct cluster *c = NULL;
    cJSON *json = NULL;

    if (json_parse(text, strlen(text), "cluster", &json, err) == CREW_OK) {
        (void)cluster_new(json, &c, err);
    }
    cJSON_Delete(json);
    return c;
}

bool cluster_difference(const char *here,
                        const char *there,
                        char *buf,
                        size_t size)
{
    struct crew_err err = {0};
    struct cluster *a, *b;
    bool differs = true;

    if (strcmp(here, there) == 0) {
        return false;
    }
    a = parse(here, &err);
    b = a != NULL ? parse(there, &err) : NULL;
    if (a == NULL || b == NULL) {
        (void)snprintf(buf, size, "the cluster %s cannot be read: %.300s",
                       a == NULL ? "here" : "there", err.msg);
    } else {
        differs = clusters_differ(a, b, buf, size);
    }
    cluster_free(a);
    cluster_free(b);
    return differs;
}
