/* SPDX-License-Identifier: Apache-2.0
 * Who may do what: incarnation first, then epoch, then phase. A refusal is one
 * line and says what the caller is to do. */
#include <stdarg.h>
#include <stdio.h>

#include "config/cluster.h"
#include "ps_impl.h"

#include "base/banned.h"

void refuse(struct refusal *r,
            enum crew_code code,
            int exit_code,
            Crew__Refusal why,
            const char *fmt,
            ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(r->text, sizeof(r->text), fmt, args);
    va_end(args);
    crew__error__init(&r->error);
    r->error.code = (int32_t)code;
    r->error.exit_code = exit_code;
    r->error.refusal = why;
    r->error.text = r->text;
}

void refuse_err(struct refusal *r, const struct crew_err *err)
{
    refuse(r, (enum crew_code)err->code, err->exit_code,
           err->exit_code == 78 ? CREW__REFUSAL__MISMATCH : CREW__REFUSAL__NONE,
           "%s", err->msg);
}

static void refuse_member(struct refusal *r,
                          enum member_answer why,
                          const char *flapping)
{
    switch (why) {
        case MEMBER_REPLACED:
            refuse(r, CREW_ABORTED, 138, CREW__REFUSAL__FENCED,
                   "another process has taken over this task; this one stops");
            break;
        case MEMBER_FLAPPING:
            refuse(r, CREW_FAILED_PRECONDITION, 78, CREW__REFUSAL__FENCED, "%s",
                   flapping);
            break;
        default:
            refuse(r, CREW_ABORTED, 0, CREW__REFUSAL__FENCED,
                   "not heard of for %u s: come back as a new incarnation",
                   MEMBERS_LEASE_MS / 1000);
            break;
    }
}

bool judge_incarnation(struct ps *ps,
                       const Crew__Identity *who,
                       int *member,
                       struct refusal *r)
{
    *member = members_find(&ps->members, (int)who->role, who->index);
    enum member_answer a =
        members_judge(&ps->members, *member, who->incarnation);
    if (a == MEMBER_SAME) {
        return true;
    }
    refuse_member(r, a, "this task is claimed by two processes");
    return false;
}

bool judge_state(struct ps *ps,
                 const Crew__Identity *who,
                 bool loading_will_do,
                 int *member,
                 struct refusal *r)
{
    if (!judge_incarnation(ps, who, member, r)) {
        return false;
    }
    if (ps->end.phase != END_RUNNING) {
        refuse(r, CREW_OUT_OF_RANGE, 0, CREW__REFUSAL__STOPPED,
               "the job has ended: %s", ps->end.reason);
        return false;
    }
    bool ready = ps->phase == CREW__PHASE__READY ||
                 (loading_will_do && ps->phase == CREW__PHASE__LOADING);
    if (who->epoch != ps->epoch && ps->epoch != 0) {
        refuse(r, CREW_ABORTED, 138, CREW__REFUSAL__STALE_EPOCH,
               "epoch %llu is over, it is %llu now",
               (unsigned long long)who->epoch, (unsigned long long)ps->epoch);
        r->error.epoch = ps->epoch;
        return false;
    }
    if (!ready) {
        refuse(r, CREW_UNAVAILABLE, 0, CREW__REFUSAL__NOT_READY,
               "the chief has not initialised the state yet");
        return false;
    }
    return true;
}

bool judge_chief(struct ps *ps,
                 const Crew__Identity *who,
                 bool loading_will_do,
                 struct refusal *r)
{
    int member = -1;
    if (!judge_state(ps, who, loading_will_do, &member, r)) {
        return false;
    }
    if (who->role != CREW__ROLE__ROLE_CHIEF) {
        refuse(r, CREW_PERMISSION_DENIED, 78, CREW__REFUSAL__MISMATCH,
               "only the chief %s",
               loading_will_do ? "initialises the state" : "may do that");
        return false;
    }
    return true;
}

/* 0, or -1 with the refusal filled in. */
static int judge_cluster(struct ps *ps,
                         const Crew__Hello *hello,
                         struct refusal *r)
{
    char text[512];
    if (!cluster_difference(hello->cluster, ps->o.cluster, text,
                            sizeof(text))) {
        return 0;
    }
    refuse(
        r, CREW_FAILED_PRECONDITION, 78, CREW__REFUSAL__MISMATCH,
        "cluster differs from ps/%u's: %s. Give all roles the same cluster in "
        "TF_CONFIG",
        ps->o.index, text);
    return -1;
}

/* 0, or -1 with the refusal filled in. Before any chief has come, each may. */
static int judge_settings(struct ps *ps,
                          const Crew__Hello *hello,
                          struct replicas *replicas,
                          struct refusal *r)
{
    struct crew_err err = {0};
    bool worker = hello->self->role == CREW__ROLE__ROLE_WORKER;
    int rc = settings_read(hello->replicas, replicas, &err);
    if (rc == CREW_OK && worker && ps->replicas_known) {
        rc = settings_compare(&ps->replicas, replicas, &err);
    }
    if (rc != CREW_OK) {
        refuse_err(r, &err);
        return -1;
    }
    return 0;
}

int judge_hello(struct ps *ps,
                const Crew__Hello *hello,
                int *member,
                struct replicas *replicas,
                struct refusal *r)
{
    *member = -1;
    *replicas = (struct replicas){.to_aggregate = 0};
    if (hello->self->role == CREW__ROLE__ROLE_TOOL) {
        return 0;
    }
    if (judge_cluster(ps, hello, r) != 0 ||
        judge_settings(ps, hello, replicas, r) != 0) {
        return -1;
    }
    *member =
        members_find(&ps->members, (int)hello->self->role, hello->self->index);
    if (*member < 0 || hello->self->incarnation == 0) {
        refuse(r, CREW_FAILED_PRECONDITION, 78, CREW__REFUSAL__MISMATCH,
               "there is no such task in the cluster: role %d, index %u",
               (int)hello->self->role, hello->self->index);
        return -1;
    }
    uint64_t before = ps->members.all[*member].incarnation;
    bool was_alive = ps->members.all[*member].alive;
    char text[512];
    enum member_answer a =
        members_hello(&ps->members, *member, hello->self->incarnation,
                      hello->host, hello->pid, ps_now(ps), text, sizeof(text));
    if (was_alive && (a == MEMBER_TAKEOVER || a == MEMBER_FLAPPING)) {
        ps_fenced(ps, *member, before);
    }
    if (a == MEMBER_NEW || a == MEMBER_TAKEOVER) {
        steps_join(&ps->steps, *member);
        if (hello->self->role != CREW__ROLE__ROLE_EVALUATOR) {
            sync_join(&ps->sync, *member, hello->self->incarnation);
        }
        if (ps->shard != NULL) {
            shard_forget(ps->shard, *member);
        }
    }
    if (a != MEMBER_SAME && a != MEMBER_NEW && a != MEMBER_TAKEOVER) {
        refuse_member(r, a, text);
        return -1;
    }
    return 0;
}
