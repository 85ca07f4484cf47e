/* SPDX-License-Identifier: Apache-2.0
 * An EvalSpec's exporters: adding one, and what is refused. Source:
 * tensorflow_estimator's training.py and exporter.py. */
#include <string.h>

#include "config/py_text.h"
#include "config/run_config_impl.h"
#include "base/banned.h"

/* `what` is wrong with a name; then all of them, as Python writes a list. */
static int bad_names(const struct crew_eval_spec *es,
                     const char *what,
                     struct crew_err *err)
{
    struct strbuf names;
    int rc;

    strbuf_init(&names);
    for (int i = 0; i < es->num_exporters; i++) {
        strbuf_addstr(&names, i > 0 ? ", " : "");
        if (es->exporters[i].name == NULL) {
            strbuf_addstr(&names, "None");
        } else {
            py_repr_text(&names, es->exporters[i].name);
        }
    }
    rc = crew_err_set(err, CREW_INVALID_ARGUMENT, "%s All exporter names: [%s]",
                      what, names.data);
    strbuf_release(&names);
    return rc;
}

static int check_exporter(const struct crew_eval_spec *es,
                          int i,
                          struct crew_err *err)
{
    const struct crew_exporter *e = &es->exporters[i];

    if (e->kind < CREW_EXPORTER_LATEST || e->kind > CREW_EXPORTER_BEST) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "`exporters` must be an Exporter, an iterable of "
                            "Exporter, or `None`, found one of kind %d.",
                            (int)e->kind);
    }
    if (e->name == NULL || e->name[0] == '\0') {
        return bad_names(
            es, "An Exporter cannot have a name that is `None` or empty.", err);
    }
    for (int k = 0; k < i; k++) {
        if (strcmp(es->exporters[k].name, e->name) == 0) {
            return bad_names(es,
                             "`exporters` must have unique names. Such a name "
                             "cannot be `None`.",
                             err);
        }
    }
    if (strchr(e->name, '/') != NULL || e->name[0] == '.') {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "the exporter name \"%.100s\" must be the name of "
                            "one folder under export/",
                            e->name);
    }
    if (e->exports_to_keep < 0 && e->kind == CREW_EXPORTER_BEST) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "`exports_to_keep`, if provided, must be a "
                            "positive number. Got %lld",
                            (long long)e->exports_to_keep);
    }
    if (e->exports_to_keep < 0) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "`exports_to_keep`, if provided, must be positive "
                            "number");
    }
    return CREW_OK;
}

int eval_spec_check_exporters(const struct crew_eval_spec *es,
                              struct crew_err *err)
{
    int rc = CREW_OK;

    if (es->num_exporters < 0 || es->num_exporters > CREW_MAX_EXPORTERS) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "an EvalSpec has at most %d exporters, given: %d",
                            CREW_MAX_EXPORTERS, es->num_exporters);
    }
    for (int i = 0; i < es->num_exporters && rc == CREW_OK; i++) {
        rc = check_exporter(es, i, err);
    }
    return rc;
}

void crew_eval_spec_add_exporter(struct crew_eval_spec *es,
                                 enum crew_exporter_kind kind,
                                 const char *name)
{
    if (es == NULL) {
        return;
    }
    /* One too many is counted, so that validation can refuse it. */
    if (es->num_exporters < CREW_MAX_EXPORTERS) {
        es->exporters[es->num_exporters] = (struct crew_exporter){
            .kind = kind,
            .name = name == NULL && kind == CREW_EXPORTER_BEST ? "best_exporter"
                                                               : name,
            .exports_to_keep = kind == CREW_EXPORTER_FINAL ? 0 : 5,
        };
    }
    es->num_exporters++;
}
