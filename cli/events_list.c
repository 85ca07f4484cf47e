/* SPDX-License-Identifier: Apache-2.0
 * crew events ls: a row a tag, and a row a kind of other events. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/events.h"
#include "base/banned.h"

struct row {
    char *name;       /* the tag; of other events, what they are */
    const char *kind; /* of the values of a tag; NULL: of other events */
    int64_t points, first_step, last_step;
    char *last;    /* the last one, as text */
    double scalar; /* a tag of simple values */
    bool is_scalar;
};

struct event_list {
    struct row *rows;
    int n;
};

struct event_list *event_list_new(void)
{
    return xcalloc(1, sizeof(struct event_list));
}

void event_list_free(struct event_list *list)
{
    if (list == NULL) {
        return;
    }
    for (int i = 0; i < list->n; i++) {
        free(list->rows[i].name);
        free(list->rows[i].last);
    }
    free(list->rows);
    free(list);
}

/* The row of that name, with one point more. kind NULL: another event. */
static struct row *row_of(struct event_list *list,
                          const char *name,
                          const char *kind,
                          int64_t step)
{
    struct row *row = NULL;

    for (int i = 0; i < list->n && row == NULL; i++) {
        if ((list->rows[i].kind == NULL) == (kind == NULL) &&
            strcmp(list->rows[i].name, name) == 0) {
            row = &list->rows[i];
        }
    }
    if (row == NULL) {
        list->rows =
            xrealloc(list->rows, (size_t)(list->n + 1) * sizeof *list->rows);
        row = &list->rows[list->n++];
        *row = (struct row){
            .name = xstrdup(name), .kind = kind, .first_step = step};
    }
    row->points++;
    row->last_step = step;
    free(row->last);
    row->last = NULL;
    return row;
}

static void add_value(struct event_list *list,
                      const Tensorflow__Summary__Value *v,
                      int64_t step)
{
    struct row *row = row_of(list, v->tag, event_value_kind(v), step);

    row->is_scalar =
        v->value_case == TENSORFLOW__SUMMARY__VALUE__VALUE_SIMPLE_VALUE;
    row->scalar = row->is_scalar ? (double)v->simple_value : 0;
    row->last = event_value_text(v, row->kind);
}

static const char *session_name(int status)
{
    static const char *const names[] = {"session_log", "session_log START",
                                        "session_log STOP",
                                        "session_log CHECKPOINT"};

    return names[status > 0 && status < 4 ? status : 0];
}

void event_list_add(struct event_list *list, const Tensorflow__Event *e)
{
    const char *what = event_what(e);
    struct row *row;

    if (e->what_case == TENSORFLOW__EVENT__WHAT_SUMMARY) {
        for (size_t i = 0; i < e->summary->n_value; i++) {
            add_value(list, e->summary->value[i], e->step);
        }
        return;
    }
    if (e->what_case == TENSORFLOW__EVENT__WHAT_SESSION_LOG) {
        what = session_name(e->session_log->status);
    }
    row = row_of(list, what, NULL, e->step);
    if (e->what_case == TENSORFLOW__EVENT__WHAT_GRAPH_DEF) {
        Tensorflow__GraphDef *graph = event_graph(e->graph_def);

        if (graph != NULL) {
            row->last = xasprintf("%zu nodes", graph->n_node);
            tensorflow__graph_def__free_unpacked(graph, NULL);
        }
    }
}

/* Names of a file on a terminal. */
static void print_name(const char *name)
{
    int width = 0;

    for (; *name != '\0'; name++, width++) {
        (void)putchar((unsigned char)*name < 0x20 || *name == 0x7f ? '?'
                                                                   : *name);
    }
    printf("%*s", width < 32 ? 32 - width : 0, "");
}

static void print_row(const struct row *row)
{
    printf("  ");
    print_name(row->name);
    printf(" %-9s %6lld point%s", row->kind != NULL ? row->kind : "-",
           (long long)row->points, row->points == 1 ? ", " : "s,");
    if (row->first_step == row->last_step) {
        printf(" step %lld", (long long)row->last_step);
    } else {
        printf(" steps %lld to %lld", (long long)row->first_step,
               (long long)row->last_step);
    }
    printf("%s%s\n", row->last != NULL ? ", last " : "",
           row->last != NULL ? row->last : "");
}

void event_list_print(const struct event_list *list)
{
    for (int other = 1; other >= 0; other--) {
        for (int i = 0; i < list->n; i++) {
            if ((list->rows[i].kind == NULL) == (other == 1)) {
                print_row(&list->rows[i]);
            }
        }
    }
}

static cJSON *row_to_json(const struct row *row)
{
    cJSON *json = cJSON_CreateObject();

    cJSON_AddStringToObject(json, row->kind != NULL ? "tag" : "what",
                            row->name);
    if (row->kind != NULL) {
        cJSON_AddStringToObject(json, "kind", row->kind);
    }
    cJSON_AddNumberToObject(json, "points", (double)row->points);
    cJSON_AddNumberToObject(json, "first_step", (double)row->first_step);
    cJSON_AddNumberToObject(json, "last_step", (double)row->last_step);
    if (row->is_scalar) {
        cJSON_AddItemToObject(json, "last", event_number(row->scalar, 9));
    } else if (row->last != NULL) {
        cJSON_AddStringToObject(json, "last", row->last);
    }
    return json;
}

void event_list_to_json(const struct event_list *list, cJSON *file)
{
    cJSON *tags = cJSON_AddArrayToObject(file, "tags");
    cJSON *other = cJSON_AddArrayToObject(file, "other");

    for (int i = 0; i < list->n; i++) {
        cJSON_AddItemToArray(list->rows[i].kind != NULL ? tags : other,
                             row_to_json(&list->rows[i]));
    }
}
