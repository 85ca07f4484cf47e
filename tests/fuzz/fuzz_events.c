/* SPDX-License-Identifier: Apache-2.0
 * Fuzzes the reader of event files and what `crew events` shows of them. Oracle
 * beyond "no crash": an event packs to bytes that are read as an event again
 * and pack to themselves; its JSON is JSON; its line of text is one line.
 *
 * The first byte: bit 0, the rest is a file; else it is an event, which is
 * framed with a right CRC, which no fuzzer guesses. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/mem_fs.h"
#include "cli/events.h"
#include "io/pbguard.h"
#include "io/tfrecord.h"
#include "summary/event_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_packed(const Tensorflow__Event *e)
{
    size_t n = tensorflow__event__get_packed_size(e);
    uint8_t *packed = xmalloc(n), *repacked = xmalloc(n);
    ProtobufCMessage *again = NULL;
    struct crew_err err = {0};

    (void)tensorflow__event__pack(e, packed);
    INVARIANT(pbguard_unpack(&tensorflow__event__descriptor, &pbguard_record,
                             packed, n, &again, &err) == CREW_OK);
    INVARIANT(protobuf_c_message_get_packed_size(again) == n);
    (void)protobuf_c_message_pack(again, repacked);
    INVARIANT(memcmp(packed, repacked, n) == 0);
    protobuf_c_message_free_unpacked(again, NULL);
    free(packed);
    free(repacked);
}

static void check_shown(const Tensorflow__Event *e)
{
    cJSON *json = event_to_json(e), *parsed;
    char *text = cJSON_PrintUnformatted(json), *line = event_text(e);

    parsed = cJSON_Parse(text);
    INVARIANT(parsed != NULL);
    for (const char *c = line; *c != '\0'; c++) {
        INVARIANT((unsigned char)*c >= 0x20 && *c != 0x7f);
    }
    free(line);
    free(text);
    cJSON_Delete(parsed);
    cJSON_Delete(json);
}

static void read_all(struct crew_env *env)
{
    struct event_list *list = event_list_new();
    cJSON *file = cJSON_CreateObject();
    struct event_reader *r = NULL;
    Tensorflow__Event *e = NULL;
    struct crew_err err = {0};

    INVARIANT(event_reader_open(env, "/f", &r, &err) == CREW_OK);
    while (event_reader_next(r, &e, &err) == CREW_OK) {
        check_packed(e);
        check_shown(e);
        event_list_add(list, e);
        tensorflow__event__free_unpacked(e, NULL);
    }
    INVARIANT(err.code == CREW_OUT_OF_RANGE ||
              (err.code == CREW_DATA_LOSS && err.exit_code == 65));
    event_list_to_json(list, file);
    cJSON_Delete(file);
    event_list_free(list);
    event_reader_close(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct crew_env *env;
    struct crew_err err = {0};
    struct strbuf file;

    if (size < 1 || size > 65537) {
        return 0;
    }
    env = env_mem_new(1);
    strbuf_init(&file);
    if ((data[0] & 1) != 0) {
        strbuf_add(&file, data + 1, size - 1);
    } else {
        tfrecord_frame(&file, data + 1, size - 1);
    }
    INVARIANT(fs_replace_file(env, "/f", file.data, file.len, &err) == CREW_OK);
    read_all(env);
    strbuf_release(&file);
    env_mem_free(env);
    return 0;
}
