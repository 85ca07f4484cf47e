/* SPDX-License-Identifier: Apache-2.0
 * The progress line as a hook. */
#include "estimator/training/progress.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/banned.h"

#define REDRAW_NS 100000000u
/* How fast the smoothed rate follows, a redraw. */
#define SMOOTHING 0.3

struct progress {
    struct crew_env *env;
    int fd; /* -1: the terminal */
    struct progress_view view;
    progress_evaluation_fn evaluation;
    void *self;
    uint64_t drawn_ns;
    int64_t drawn_step;
    char evaluation_line[512];
};

static void add_left(char *buf, size_t size, double secs)
{
    long s = (long)secs;
    size_t n = strlen(buf);

    if (s >= 3600) {
        (void)snprintf(buf + n, size - n, "  %ld:%02ld:%02ld left", s / 3600,
                       s / 60 % 60, s % 60);
    } else {
        (void)snprintf(buf + n, size - n, "  %ld:%02ld left", s / 60, s % 60);
    }
}

const char *progress_text(const struct progress_view *v, char *buf, size_t size)
{
    size_t n;

    (void)snprintf(buf, size, "step %lld", (long long)v->step);
    n = strlen(buf);
    if (v->max_steps > 0) {
        (void)snprintf(buf + n, size - n, "/%lld  %3.0f%%",
                       (long long)v->max_steps,
                       100.0 * (double)v->step / (double)v->max_steps);
        n = strlen(buf);
    }
    if (v->rate > 0) {
        (void)snprintf(buf + n, size - n, "  %.*f steps/s",
                       v->rate < 10 ? 1 : 0, v->rate);
        n = strlen(buf);
    }
    (void)snprintf(buf + n, size - n, "  loss %.4g", (double)v->loss);
    if (v->rate > 0 && v->max_steps > 0 && v->step <= v->max_steps) {
        add_left(buf, size, (double)(v->max_steps - v->step) / v->rate);
    }
    n = strlen(buf);
    if (v->evaluation[0] != '\0') {
        (void)snprintf(buf + n, size - n, "  %s @ %lld", v->evaluation,
                       (long long)v->evaluation_step);
    }
    return buf;
}

static void draw(struct progress *p, uint64_t now)
{
    double secs = (double)(now - p->drawn_ns) / 1e9;
    char text[256];

    if (p->drawn_ns != 0 && secs > 0) {
        double rate = (double)(p->view.step - p->drawn_step) / secs;

        p->view.rate +=
            (p->view.rate > 0 ? SMOOTHING : 1.0) * (rate - p->view.rate);
    }
    p->drawn_ns = now;
    p->drawn_step = p->view.step;
    p->evaluation(p->self, p->evaluation_line, sizeof p->evaluation_line,
                  &p->view.evaluation_step);
    /* Of the dict only what stands before global_step: the line is short. */
    char *rest = strstr(p->evaluation_line, ", global_step");

    if (rest != NULL) {
        *rest = '\0';
    }
    p->view.evaluation = p->evaluation_line;
    (void)progress_text(&p->view, text, sizeof text - 1);
    if (p->fd < 0) {
        log_progress(text);
        return;
    }
    size_t n = strlen(text);

    text[n] = '\n';
    /* A reader that does not keep up misses a line, no more. */
    ssize_t ignored = write(p->fd, text, n + 1);

    (void)ignored;
}

static int after_run(void *self,
                     struct crew_run_context *ctx,
                     struct crew_err *err)
{
    struct progress *p = self;
    uint64_t now = p->env->now_ns(p->env);

    (void)err;
    p->view.step = ctx->global_step;
    p->view.loss = ctx->loss;
    if (p->drawn_ns == 0 || now - p->drawn_ns >= REDRAW_NS) {
        draw(p, now);
    }
    return CREW_OK;
}

static void progress_free(void *self)
{
    struct progress *p = self;

    if (p->fd < 0) {
        log_progress("");
    }
    free(p);
}

static const struct crew_hook_ops progress_ops = {
    .after_run = after_run,
    .free = progress_free,
};

/* The pipe's number, -1 without one. */
static int pipe_from_environment(void)
{
    const char *text = getenv("CREW_PROGRESS_FD");
    char *end;
    long fd;

    if (text == NULL) {
        return -1;
    }
    fd = strtol(text, &end, 10);
    if (end == text || *end != '\0' || fd < 3 || fd > 1023 ||
        fcntl((int)fd, F_SETFL, O_NONBLOCK) != 0) {
        return -1;
    }
    return (int)fd;
}

void progress_add_hook(struct hook_list *list,
                       struct crew_env *env,
                       int64_t max_steps,
                       bool quiet,
                       progress_evaluation_fn evaluation,
                       void *self)
{
    int fd = pipe_from_environment();
    struct progress *p;

    if (quiet || (fd < 0 && !log_progress_wanted())) {
        return;
    }
    p = xcalloc(1, sizeof *p);
    p->env = env;
    p->fd = fd;
    p->view.max_steps = max_steps;
    p->evaluation = evaluation;
    p->self = self;
    hook_list_add(list, &progress_ops, p);
}
