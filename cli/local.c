/* SPDX-License-Identifier: Apache-2.0
 *
 * crew local: a cluster of real processes on this machine.
 *
 * Each child is one of the daemons beside this program, with its own TF_CONFIG.
 * Its lines are printed with the task's name in front. The chief reports its
 * progress on a pipe (CREW_PROGRESS_FD), which is drawn here, below the lines.
 *
 * - The chief ends with 0: the others end by themselves; what is left after
 *   LINGER_MS is told to.
 * - The chief ends with another code: the others get SIGTERM after GRACE_MS.
 * - SIGINT, SIGTERM, SIGHUP here: the first goes to the chief, which saves and
 * stops the cluster; the second, or STOP_MS without an end, ends everybody at
 * once.
 * - This program is killed: the children die with it. A child cannot ask for
 * that itself before it runs, so it is started as `crew local --child PID
 * PROGRAM ...`, which does and then becomes the daemon.
 *
 * Children have their own session, or a terminal's Ctrl-C would reach them a
 * second time. The result is the chief's exit code. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <uv.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "cli/commands.h"
#include "cli/local_plan.h"
#include "cli/own_folder.h"
#include "base/banned.h"

#define LINGER_MS 30000
#define GRACE_MS 3000
#define STOP_MS 27000
#define KILL_MS 5000
#define PROGRESS_FD 3

struct local;

/* A pipe from a child, cut into lines. */
struct stream {
    uv_pipe_t pipe;
    struct child *child;
    struct strbuf line;
    FILE *out; /* NULL: the progress pipe */
    char chunk[8192];
};

struct child {
    struct local *local;
    const struct local_task *task;
    uv_process_t process;
    struct stream streams[3]; /* stdout, stderr, the chief's progress */
    int num_streams;
    bool alive;
    int exit_code;
};

struct local {
    uv_loop_t loop;
    struct local_plan plan;
    struct child *children;
    uv_timer_t deadline;
    uv_signal_t signals[3];
    bool color;
    int name_width;
    int num_alive;
    int num_signals; /* received here */
    bool terminated; /* SIGTERM has gone to all */
    int chief_code;
    char progress[256]; /* what stands below the lines */
};

static const char usage[] =
    "usage: crew local [--ps N] [--workers N] [--evaluator] [--base-port P] "
    "-- run OPTIONS\n\n"
    "Start a cluster of real processes on this machine: N parameter servers, "
    "a chief,\nN workers and, if asked for, an evaluator. What stands behind "
    "`run` goes to each;\nsee crew run --help.\n\n"
    "  --ps N          parameter servers (1)\n"
    "  --workers N     workers beside the chief (1)\n"
    "  --evaluator     with an evaluator; without one the chief evaluates at "
    "the end\n"
    "  --base-port P   ports P, P+1, ... (free ones are looked for)\n\n"
    "The exit code is the chief's. Next: crew ckpt ls DIR, crew events dump "
    "DIR\n";

/* ---------------------------------------------------------------- lines */

static void print_line(const struct child *c, FILE *out, const char *line)
{
    static const int colors[] = {36, 32, 33, 35, 34, 31};
    const struct local *l = c->local;
    int k = (int)(c - l->children) % (int)COUNT_OF(colors);

    log_progress("");
    if (l->color) {
        (void)fprintf(out, "\x1b[%dm%-*s |\x1b[0m %s\n", colors[k],
                      l->name_width, c->task->name, line);
    } else {
        (void)fprintf(out, "%-*s | %s\n", l->name_width, c->task->name, line);
    }
    (void)fflush(out);
    if (l->progress[0] != '\0') {
        log_progress(l->progress);
    }
}

static void take_line(struct stream *s, const char *line)
{
    if (s->out != NULL) {
        print_line(s->child, s->out, line);
    } else if (log_progress_wanted()) {
        struct local *l = s->child->local;

        (void)snprintf(l->progress, sizeof l->progress, "%s", line);
        log_progress(l->progress);
    }
}

static void take_bytes(struct stream *s, const char *data, size_t n)
{
    while (n > 0) {
        const char *end = memchr(data, '\n', n);
        size_t part = end != NULL ? (size_t)(end - data) : n;

        strbuf_add(&s->line, data, part);
        if (end == NULL) {
            return;
        }
        take_line(s, s->line.data);
        strbuf_reset(&s->line);
        data += part + 1;
        n -= part + 1;
    }
}

static void alloc_cb(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct stream *s = handle->data;

    (void)suggested;
    *buf = uv_buf_init(s->chunk, sizeof s->chunk);
}

static void read_cb(uv_stream_t *pipe, ssize_t n, const uv_buf_t *buf)
{
    struct stream *s = pipe->data;

    if (n > 0) {
        take_bytes(s, buf->base, (size_t)n);
    } else if (n < 0) {
        if (s->line.len > 0) {
            take_line(s, s->line.data);
        }
        strbuf_release(&s->line);
        uv_close((uv_handle_t *)pipe, NULL);
    }
}

/* -------------------------------------------------------------- endings */

static void signal_all(struct local *l, int number)
{
    for (int i = 0; i < l->plan.num_tasks; i++) {
        if (l->children[i].alive) {
            (void)uv_process_kill(&l->children[i].process, number);
        }
    }
}

static void deadline_cb(uv_timer_t *timer)
{
    struct local *l = timer->data;

    signal_all(l, l->terminated ? SIGKILL : SIGTERM);
    l->terminated = true;
    (void)uv_timer_start(timer, deadline_cb, KILL_MS, 0);
}

static void note_exit(struct child *c, int64_t status, int signal_number)
{
    char line[128];

    c->exit_code = signal_number != 0 ? 128 + signal_number : (int)status;
    if (signal_number != 0) {
        (void)snprintf(line, sizeof line, "killed by signal %d (%s)",
                       signal_number, strsignal(signal_number));
        print_line(c, stderr, line);
    } else if (status != 0) {
        (void)snprintf(line, sizeof line, "exited with code %d", (int)status);
        print_line(c, stderr, line);
    }
}

/* How long the others may take once the chief has ended. What is wrong with the
 * command line or the configuration (64 to 78) is wrong for all of them. */
static uint64_t linger_ms(int chief_code)
{
    if (chief_code == 0) {
        return LINGER_MS;
    }
    return chief_code >= 64 && chief_code <= 78 ? 0 : GRACE_MS;
}

static void exit_cb(uv_process_t *process, int64_t status, int signal_number)
{
    struct child *c = process->data;
    struct local *l = c->local;

    c->alive = false;
    l->num_alive--;
    note_exit(c, status, signal_number);
    uv_close((uv_handle_t *)process, NULL);
    if (c->task->is_chief) {
        l->chief_code = c->exit_code;
        l->progress[0] = '\0';
        log_progress("");
        (void)uv_timer_start(&l->deadline, deadline_cb, linger_ms(c->exit_code),
                             0);
    }
    if (l->num_alive == 0) {
        uv_close((uv_handle_t *)&l->deadline, NULL);
        for (size_t i = 0; i < COUNT_OF(l->signals); i++) {
            uv_close((uv_handle_t *)&l->signals[i], NULL);
        }
    }
}

static void signal_cb(uv_signal_t *handle, int number)
{
    struct local *l = handle->data;
    int forwarded = number == SIGINT ? SIGINT : SIGTERM;

    l->num_signals++;
    if (l->num_signals > 1) {
        signal_all(l, SIGKILL);
        return;
    }
    for (int i = 0; i < l->plan.num_tasks; i++) {
        struct child *c = &l->children[i];

        if (c->task->is_chief && c->alive) {
            (void)uv_process_kill(&c->process, forwarded);
            (void)uv_timer_start(&l->deadline, deadline_cb, STOP_MS, 0);
            return;
        }
    }
    signal_all(l, forwarded);
}

/* ------------------------------------------------------------- starting */

static void init_stream(struct child *c, FILE *out, uv_stdio_container_t *stdio)
{
    struct stream *s = &c->streams[c->num_streams++];

    (void)uv_pipe_init(&c->local->loop, &s->pipe, 0);
    s->pipe.data = s;
    s->child = c;
    s->out = out;
    strbuf_init(&s->line);
    stdio->flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE;
    stdio->data.stream = (uv_stream_t *)&s->pipe;
}

/* This process's environment with TF_CONFIG and CREW_PROGRESS_FD of its own.
 * Owner: caller; strings from `own` on. */
static char **child_environment(const struct local_task *task, size_t *own)
{
    extern char **environ;
    size_t n = 0;
    size_t kept = 0;

    while (environ[n] != NULL) {
        n++;
    }

    char **env = xcalloc(n + 3, sizeof *env);

    for (size_t i = 0; i < n; i++) {
        if (strncmp(environ[i], "TF_CONFIG=", 10) != 0 &&
            strncmp(environ[i], "CREW_PROGRESS_FD=", 17) != 0) {
            env[kept++] = environ[i];
        }
    }
    *own = kept;
    env[kept++] = xasprintf("TF_CONFIG=%s", task->tf_config);
    if (task->is_chief) {
        env[kept++] = xasprintf("CREW_PROGRESS_FD=%d", PROGRESS_FD);
    }
    return env;
}

/* "crew local --child PID" in front of the daemon's own arguments. Owner:
 * caller; of the strings only args[3]. */
static char **child_args(const struct local_task *task, char *crew)
{
    size_t n = 0;

    while (task->args[n] != NULL) {
        n++;
    }

    char **args = xcalloc(n + 5, sizeof *args);
    static char local[] = "local";
    static char child[] = "--child";

    args[0] = crew;
    args[1] = local;
    args[2] = child;
    args[3] = xasprintf("%ld", (long)getpid());
    for (size_t i = 0; i < n; i++) {
        args[4 + i] = task->args[i];
    }
    return args;
}

static int spawn(struct local *l, int i, char *crew, struct crew_err *err)
{
    struct child *c = &l->children[i];
    uv_stdio_container_t stdio[4] = {{.flags = UV_IGNORE}};
    uv_process_options_t options = {0};
    size_t own;
    int rc;

    *c = (struct child){.local = l, .task = &l->plan.tasks[i]};
    c->process.data = c;
    init_stream(c, stdout, &stdio[1]);
    init_stream(c, stderr, &stdio[2]);
    if (c->task->is_chief) {
        init_stream(c, NULL, &stdio[PROGRESS_FD]);
    }
    options.exit_cb = exit_cb;
    options.file = crew;
    options.args = child_args(c->task, crew);
    options.env = child_environment(c->task, &own);
    options.stdio = stdio;
    options.stdio_count = c->num_streams + 1;
    options.flags = UV_PROCESS_DETACHED;

    rc = uv_spawn(&l->loop, &c->process, &options);
    if (rc == 0) {
        c->alive = true;
        l->num_alive++;
        for (int k = 0; k < c->num_streams; k++) {
            (void)uv_read_start((uv_stream_t *)&c->streams[k].pipe, alloc_cb,
                                read_cb);
        }
    } else {
        (void)crew_err_exit(err, CREW_UNAVAILABLE, 70, "cannot start %s: %s",
                            c->task->args[0], uv_strerror(rc));
    }
    for (size_t k = own; options.env[k] != NULL; k++) {
        free(options.env[k]);
    }
    free(options.env);
    free(options.args[3]);
    free(options.args);
    return err->code;
}

static void start_signals(struct local *l)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};

    for (size_t i = 0; i < COUNT_OF(l->signals); i++) {
        (void)uv_signal_init(&l->loop, &l->signals[i]);
        l->signals[i].data = l;
        (void)uv_signal_start(&l->signals[i], signal_cb, numbers[i]);
    }
}

/* All children, until the last has gone. Returns the chief's exit code. */
static int run_cluster(struct local *l, char *crew)
{
    struct crew_err err = {0};

    (void)uv_loop_init(&l->loop);
    (void)uv_timer_init(&l->loop, &l->deadline);
    l->deadline.data = l;
    start_signals(l);
    l->children = xcalloc((size_t)l->plan.num_tasks, sizeof *l->children);
    for (int i = 0; i < l->plan.num_tasks; i++) {
        if (spawn(l, i, crew, &err) != CREW_OK) {
            (void)fprintf(stderr, "crew local: %s\n", err.msg);
            signal_all(l, SIGKILL);
            return err.exit_code;
        }
    }
    (void)uv_run(&l->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&l->loop);
    return l->chief_code;
}

/* In the child, before it is the daemon: die with `parent`. */
static int become_child(int argc, char **argv)
{
    if (argc < 4) {
        return 64;
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if ((long)getppid() != strtol(argv[2], NULL, 10)) {
        return 138; /* the parent has gone already */
    }
    (void)execv(argv[3], argv + 3);
    (void)fprintf(stderr, "cannot run %s: %m\n", argv[3]);
    return 70;
}

int cmd_local(int argc, char **argv)
{
    struct local l = {.chief_code = 70};
    struct local_options o;
    struct crew_err err = {0};
    char *folder;
    char *crew;
    int code;

    if (argc > 1 && strcmp(argv[1], "--child") == 0) {
        return become_child(argc, argv);
    }
    if (local_options_parse(argc, argv, &o, &err) != CREW_OK) {
        (void)fprintf(stderr, "crew local: %s\n", err.msg);
        return crew_err_exit_code(&err);
    }
    if (o.help) {
        (void)fputs(usage, stdout);
        return 0;
    }
    folder = own_folder();
    crew = path_join(folder, "crew");
    if (local_plan_make(&o, folder, &l.plan, &err) != CREW_OK) {
        (void)fprintf(stderr, "crew local: %s\n", err.msg);
        code = crew_err_exit_code(&err);
    } else {
        for (int i = 0; i < l.plan.num_tasks; i++) {
            int n = (int)strlen(l.plan.tasks[i].name);
            l.name_width = n > l.name_width ? n : l.name_width;
        }
        l.color = isatty(STDOUT_FILENO) && isatty(STDERR_FILENO) &&
                  getenv("NO_COLOR") == NULL;
        code = run_cluster(&l, crew);
        free(l.children);
        local_plan_release(&l.plan);
    }
    free(crew);
    free(folder);
    return code;
}
