/* SPDX-License-Identifier: Apache-2.0
 *
 * The family events: every event of the files that TensorFlow wrote, as `crew
 * events dump --format json` shows it. Pixels of images are not decoded (their
 * PNG bytes are compared), of a graph as many nodes as the golden file shows.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/events.h"
#include "config/json.h"
#include "golden.h"
#include "golden_families.h"
#include "summary/event_reader.h"
#include "base/banned.h"

/* As it would be read back: numbers that were written as text are numbers. */
static cJSON *read_back(const Tensorflow__Event *event)
{
    cJSON *made = event_to_json(event), *parsed;
    char *text = cJSON_PrintUnformatted(made);

    parsed = cJSON_Parse(text);
    free(text);
    cJSON_Delete(made);
    return parsed;
}

/* Take out of `want` and `got` what is not compared. */
static void make_equal(cJSON *got, cJSON *want)
{
    cJSON *graph = cJSON_GetObjectItem(want, "graph_def"), *value;
    cJSON *nodes = cJSON_GetObjectItem(graph, "nodes");
    cJSON *ours =
        cJSON_GetObjectItem(cJSON_GetObjectItem(got, "graph_def"), "nodes");

    while (nodes != NULL &&
           cJSON_GetArraySize(ours) > cJSON_GetArraySize(nodes)) {
        cJSON_DeleteItemFromArray(ours, cJSON_GetArraySize(nodes));
    }
    cJSON_ArrayForEach(value, cJSON_GetObjectItem(want, "values"))
    {
        cJSON_DeleteItemFromObject(cJSON_GetObjectItem(value, "image"),
                                   "pixels");
    }
}

static void compare_event(struct golden_report *report,
                          const Tensorflow__Event *event,
                          cJSON *want)
{
    cJSON *got = read_back(event);
    const cJSON *member;

    make_equal(got, want);
    cJSON_ArrayForEach(member, want)
    {
        (void)golden_same_json(report, member->string,
                               json_get(got, member->string), member);
    }
    (void)golden_same_int(report, "members", -1, cJSON_GetArraySize(got),
                          cJSON_GetArraySize(want));
    cJSON_Delete(got);
}

static void compare_file(struct golden_report *report,
                         const char *dir,
                         cJSON *file)
{
    char *path = path_join(dir, golden_text(file, "file"));
    cJSON *events = cJSON_GetObjectItem(file, "events");
    struct event_reader *r = NULL;
    Tensorflow__Event *event = NULL;
    struct crew_err err = {0};
    int n = 0;

    if (event_reader_open(env_posix(), path, &r, &err) == CREW_OK) {
        while (event_reader_next(r, &event, &err) == CREW_OK) {
            cJSON *want = cJSON_GetArrayItem(events, n);

            golden_case(report, "%s event %d", golden_text(file, "file"), n++);
            if (want == NULL) {
                golden_differ(report, "event", -1, "one more", "the end");
            } else {
                compare_event(report, event, want);
            }
            tensorflow__event__free_unpacked(event, NULL);
        }
    }
    golden_case(report, "%s", golden_text(file, "file"));
    if (err.code != CREW_OUT_OF_RANGE) {
        golden_differ(report, "end", -1, err.msg, "the end of the file");
    }
    (void)golden_same_int(report, "events", -1, n, cJSON_GetArraySize(events));
    event_reader_close(r);
    free(path);
}

int family_events(const char *dir, struct golden_report *report)
{
    static const char *const lists[] = {"v1.json", "v2.json",
                                        "only_version.json"};

    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        cJSON *list = golden_load(dir, lists[i]);
        cJSON *file;

        if (list == NULL) {
            return 66;
        }
        cJSON_ArrayForEach(file, cJSON_GetObjectItem(list, "files"))
        {
            compare_file(report, dir, file);
        }
        golden_end(report);
        cJSON_Delete(list);
    }
    return 0;
}
