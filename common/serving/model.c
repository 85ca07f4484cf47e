/* SPDX-License-Identifier: Apache-2.0
 *
 * Loading a SavedModel as TensorFlow's loader does: the MetaGraph tagged
 * "serve"; if there are variables, the saver's restore op with the file's name
 * fed; then the init op with the assets' paths fed. */
#include "serving/model.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/pbguard.h"
#include "serving/executor.h"
#include "base/banned.h"

/* protobuf's own limit; what may be unpacked from it. */
#define MAX_FILE (2ull << 30)
static const struct pbguard_limits limits = {.unknown = MAX_FILE,
                                             .elements = 512u << 20,
                                             .memory = 6ull << 30};

struct asset {
    const char *tensor; /* "node:0"; of the message */
    char *path;
};

struct serving_model {
    struct crew_env *env;
    char *dir;
    Tensorflow__SavedModel *message;
    const Tensorflow__MetaGraphDef *meta;
    struct executor *executor;
    struct serving_resource *resources;
    struct asset *assets;
    int n_assets;
    ProtobufCMessage **unpacked; /* assets out of collections */
    int n_unpacked;
};

int saved_model_load(struct crew_env *env,
                     const char *dir,
                     Tensorflow__SavedModel **out,
                     struct crew_err *err)
{
    char *path = path_join(dir, "saved_model.pb"), *bytes = NULL;
    ProtobufCMessage *message = NULL;
    size_t n = 0;

    if (!fs_exists(env, path)) {
        char *text = path_join(dir, "saved_model.pbtxt");

        (void)crew_err_exit(err, CREW_NOT_FOUND, 66,
                            "SavedModel file does not exist at: %s%s", dir,
                            fs_exists(env, text)
                                ? " (a saved_model.pbtxt is not read here)"
                                : "/{saved_model.pbtxt|saved_model.pb}");
        free(text);
    } else if (fs_read_file(env, path, MAX_FILE, &bytes, &n, err) == CREW_OK &&
               pbguard_unpack(&tensorflow__saved_model__descriptor, &limits,
                              (const uint8_t *)bytes, n, &message,
                              err) != CREW_OK) {
        (void)crew_err_wrap(err, "%s", path);
    }
    free(bytes);
    free(path);
    *out = (Tensorflow__SavedModel *)message;
    return err->code;
}

/* ---------------------------------------------------------------- the parts */

static bool has_tag(const Tensorflow__MetaGraphDef *m, const char *tag)
{
    const Tensorflow__MetaGraphDef__MetaInfoDef *info = m->meta_info_def;

    return info != NULL && info->n_tags == 1 && strcmp(info->tags[0], tag) == 0;
}

static int choose_meta_graph(struct serving_model *m,
                             const char *tag,
                             struct crew_err *err)
{
    for (size_t i = 0; i < m->message->n_meta_graphs && m->meta == NULL; i++) {
        if (has_tag(m->message->meta_graphs[i], tag)) {
            m->meta = m->message->meta_graphs[i];
        }
    }
    if (m->meta == NULL || m->meta->graph_def == NULL) {
        return crew_err_exit(err, CREW_NOT_FOUND, 65,
                             "%s: no MetaGraph is tagged '%s' alone. Fix: %s",
                             m->dir, tag,
                             strcmp(tag, "serve") == 0
                                 ? "export it for serving"
                                 : "`crew saved-model show` lists the tags");
    }
    return CREW_OK;
}

static const Tensorflow__CollectionDef *collection(
    const struct serving_model *m,
    const char *key)
{
    for (size_t i = 0; i < m->meta->n_collection_def; i++) {
        if (strcmp(m->meta->collection_def[i]->key, key) == 0) {
            return m->meta->collection_def[i]->value;
        }
    }
    return NULL;
}

/* A file name out of the model: it must stay in its folder. */
static bool stays_inside(const char *name)
{
    return name[0] != '\0' && strchr(name, '/') == NULL &&
           strchr(name, '\\') == NULL && strcmp(name, ".") != 0 &&
           strcmp(name, "..") != 0;
}

static int add_asset(struct serving_model *m,
                     const Tensorflow__AssetFileDef *a,
                     struct crew_err *err)
{
    char *assets;

    if (!stays_inside(a->filename)) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 65,
                             "%s: the asset '%.200s' would leave the export's "
                             "folder",
                             m->dir, a->filename);
    }
    if (a->tensor_info == NULL || a->tensor_info->encoding_case !=
                                      TENSORFLOW__TENSOR_INFO__ENCODING_NAME) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 65,
                             "%s: the asset '%.200s' has no tensor", m->dir,
                             a->filename);
    }
    assets = path_join(m->dir, "assets");
    m->assets =
        xrealloc(m->assets, (size_t)(m->n_assets + 1) * sizeof *m->assets);
    m->assets[m->n_assets++] =
        (struct asset){a->tensor_info->name, path_join(assets, a->filename)};
    free(assets);
    return CREW_OK;
}

/* asset_file_def, or what Estimator writes: messages in a collection. */
static int find_assets(struct serving_model *m, struct crew_err *err)
{
    const Tensorflow__CollectionDef *c = collection(m, "saved_model_assets");

    for (size_t i = 0; i < m->meta->n_asset_file_def; i++) {
        if (add_asset(m, m->meta->asset_file_def[i], err) != CREW_OK) {
            return err->code;
        }
    }
    if (m->n_assets > 0 || c == NULL ||
        c->kind_case != TENSORFLOW__COLLECTION_DEF__KIND_ANY_LIST) {
        return CREW_OK;
    }
    m->unpacked = xcalloc(c->any_list->n_value + 1, sizeof(ProtobufCMessage *));
    for (size_t i = 0; i < c->any_list->n_value; i++) {
        const ProtobufCBinaryData *bytes = &c->any_list->value[i]->value;

        if (pbguard_unpack(&tensorflow__asset_file_def__descriptor,
                           &pbguard_record, bytes->data, bytes->len,
                           &m->unpacked[m->n_unpacked], err) != CREW_OK) {
            return crew_err_wrap(err, "%s: saved_model_assets", m->dir);
        }
        m->n_unpacked++;
        if (add_asset(m,
                      (const Tensorflow__AssetFileDef *)
                          m->unpacked[m->n_unpacked - 1],
                      err) != CREW_OK) {
            return err->code;
        }
    }
    return CREW_OK;
}

/* ---------------------------------------------------------------- starting */

static int one_string(const char *text, struct value *out, struct crew_err *err)
{
    struct value_string s = {text, strlen(text)};
    struct crew_shape scalar = crew_scalar_shape();

    return value_new_strings(out, &scalar, &s, err);
}

static int restore(struct serving_model *m, struct crew_err *err)
{
    const Tensorflow__SaverDef *saver = m->meta->saver_def;
    char *prefix = path_join(m->dir, "variables/variables");
    char *index = xasprintf("%s.index", prefix);
    struct serving_feed feed = {0};
    struct value none;

    if (fs_exists(m->env, index)) {
        if (saver == NULL || saver->restore_op_name[0] == '\0') {
            (void)crew_err_exit(err, CREW_INVALID_ARGUMENT, 65,
                                "%s: it has variables, but no restore op",
                                m->dir);
        } else if (one_string(prefix, &feed.value, err) == CREW_OK) {
            const char *op = saver->restore_op_name;

            feed.tensor = saver->filename_tensor_name;
            (void)executor_run(m->executor, &feed, 1, &op, 1, &none, err);
        }
    }
    value_release(&feed.value);
    free(index);
    free(prefix);
    return err->code;
}

/* The op that makes tables ready; NULL: none. */
static const char *init_op(const struct serving_model *m)
{
    static const char *const keys[] = {"saved_model_main_op", "legacy_init_op"};
    const Tensorflow__SignatureDef *s =
        serving_signature(m, "__saved_model_init_op");

    if (s != NULL && s->n_outputs == 1 && s->outputs[0]->value != NULL &&
        s->outputs[0]->value->encoding_case ==
            TENSORFLOW__TENSOR_INFO__ENCODING_NAME) {
        return s->outputs[0]->value->name;
    }
    for (int i = 0; i < 2; i++) {
        const Tensorflow__CollectionDef *c = collection(m, keys[i]);

        if (c != NULL &&
            c->kind_case == TENSORFLOW__COLLECTION_DEF__KIND_NODE_LIST &&
            c->node_list->n_value == 1) {
            return c->node_list->value[0];
        }
    }
    return NULL;
}

static int initialise(struct serving_model *m, struct crew_err *err)
{
    const char *op = init_op(m);
    struct serving_feed *feeds;
    struct value none;
    int n = 0;

    if (op == NULL) {
        return CREW_OK;
    }
    feeds = xcalloc((size_t)m->n_assets + 1, sizeof *feeds);
    while (n < m->n_assets &&
           one_string(m->assets[n].path, &feeds[n].value, err) == CREW_OK) {
        feeds[n].tensor = m->assets[n].tensor;
        n++;
    }
    if (err->code == CREW_OK &&
        executor_run(m->executor, feeds, n, &op, 1, &none, err) == CREW_OK) {
        value_release(&none);
    }
    for (int i = 0; i < n; i++) {
        value_release(&feeds[i].value);
    }
    free(feeds);
    return err->code;
}

int serving_model_open(struct crew_env *env,
                       const char *dir,
                       struct serving_model **out,
                       struct crew_err *err)
{
    return serving_model_open_tag(env, dir, "serve", out, err);
}

int serving_model_open_tag(struct crew_env *env,
                           const char *dir,
                           const char *tag,
                           struct serving_model **out,
                           struct crew_err *err)
{
    struct serving_model *m = xcalloc(1, sizeof *m);

    m->env = env;
    m->dir = xstrdup(dir);
    if (saved_model_load(env, dir, &m->message, err) == CREW_OK &&
        choose_meta_graph(m, tag, err) == CREW_OK &&
        find_assets(m, err) == CREW_OK &&
        executor_new(m->meta->graph_def, m, &m->executor, err) == CREW_OK &&
        restore(m, err) == CREW_OK && initialise(m, err) == CREW_OK) {
        *out = m;
        return CREW_OK;
    }
    serving_model_close(m);
    return err->code;
}

static void free_resource(struct serving_resource *r)
{
    value_release(&r->value);
    if (r->table != NULL && r->free_table != NULL) {
        r->free_table(r->table);
    }
    free(r->name);
    free(r);
}

void serving_model_close(struct serving_model *m)
{
    if (m == NULL) {
        return;
    }
    executor_free(m->executor);
    while (m->resources != NULL) {
        struct serving_resource *next = m->resources->next;

        free_resource(m->resources);
        m->resources = next;
    }
    for (int i = 0; i < m->n_assets; i++) {
        free(m->assets[i].path);
    }
    for (int i = 0; i < m->n_unpacked; i++) {
        protobuf_c_message_free_unpacked(m->unpacked[i], NULL);
    }
    free(m->unpacked);
    free(m->assets);
    if (m->message != NULL) {
        tensorflow__saved_model__free_unpacked(m->message, NULL);
    }
    free(m->dir);
    free(m);
}

/* ------------------------------------------------------------------ asking */

const Tensorflow__SignatureDef *serving_signature(const struct serving_model *m,
                                                  const char *key)
{
    for (size_t i = 0; i < m->meta->n_signature_def; i++) {
        if (strcmp(m->meta->signature_def[i]->key, key) == 0) {
            return m->meta->signature_def[i]->value;
        }
    }
    return NULL;
}

const Tensorflow__MetaGraphDef *serving_meta_graph(
    const struct serving_model *m)
{
    return m->meta;
}

int serving_run(struct serving_model *m,
                const struct serving_feed *feeds,
                int n_feeds,
                const char *const *fetches,
                int n_fetches,
                struct value *out,
                struct crew_err *err)
{
    return executor_run(m->executor, feeds, n_feeds, fetches, n_fetches, out,
                        err);
}

int serving_resource_get(struct serving_model *m,
                         const char *name,
                         enum serving_resource_kind kind,
                         struct serving_resource **out,
                         struct crew_err *err)
{
    struct serving_resource *r = m->resources;

    while (r != NULL && strcmp(r->name, name) != 0) {
        r = r->next;
    }
    if (r != NULL && r->kind != kind) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 65,
                             "'%s' is both a variable and a table", name);
    }
    if (r == NULL) {
        r = xcalloc(1, sizeof *r);
        r->kind = kind;
        r->name = xstrdup(name);
        r->next = m->resources;
        m->resources = r;
    }
    *out = r;
    return CREW_OK;
}

const char *serving_asset_path(const struct serving_model *m, const char *name)
{
    for (int i = 0; i < m->n_assets; i++) {
        if (strcmp(m->assets[i].tensor, name) == 0) {
            return m->assets[i].path;
        }
    }
    return NULL;
}

static bool is_below(const char *path, const char *dir)
{
    size_t n = strlen(dir);

    return strncmp(path, dir, n) == 0 && path[n] == '/';
}

/* Where files are the machine's own, a link must not lead out either (one that
 * leads nowhere is told by who opens it). */
static bool links_stay(const struct serving_model *m, const char *path)
{
    char *dir, *file;
    bool inside;

    if (m->env != env_posix()) {
        return true;
    }
    dir = realpath(m->dir, NULL);
    file = realpath(path, NULL);
    inside = dir == NULL || file == NULL || is_below(file, dir);
    free(dir);
    free(file);
    return inside;
}

bool serving_path_inside(const struct serving_model *m, const char *path)
{
    return is_below(path, m->dir) &&
           strstr(path + strlen(m->dir), "/../") == NULL && links_stay(m, path);
}

struct crew_env *serving_env(const struct serving_model *m)
{
    return m->env;
}
