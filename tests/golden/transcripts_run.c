/* SPDX-License-Identifier: Apache-2.0
 * The processes of a transcript's run, and the lines that they have logged. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/env.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "transcripts.h"
#include "base/banned.h"

#define MAX_LOG ((size_t)64 << 20)

/* ---------------------------------------------------------------- processes */

int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int port = 0;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, size) == 0 &&
        getsockname(fd, (struct sockaddr *)&address, &size) == 0) {
        port = ntohs(address.sin_port);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return port;
}

/* In the child: never returns. */
static _Noreturn void become(const struct process *p, const char *cwd)
{
    int in = open("/dev/null", O_RDONLY);
    int out = open(p->stdout_path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    int err = open(p->stderr_path, O_WRONLY | O_CREAT | O_TRUNC, 0666);

    if (in < 0 || out < 0 || err < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 ||
        dup2(err, 2) < 0 || chdir(cwd) != 0) {
        _exit(126);
    }
    if (p->tf_config != NULL) {
        (void)setenv("TF_CONFIG", p->tf_config, 1);
    } else {
        (void)unsetenv("TF_CONFIG");
    }
    (void)unsetenv("CREW_PROGRESS_FD");
    /* A ps is a program of its own, which is looked for. */
    (void)setenv("PATH", TRANSCRIPTS_BIN ":/usr/bin:/bin", 1);
    (void)execv(p->argv[0], p->argv);
    _exit(127);
}

static void take_status(struct process *p, int status)
{
    p->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    p->pid = 0;
}

/* How many still run. */
static int reap(struct process *p, int n)
{
    int running = 0;

    for (int i = 0; i < n; i++) {
        int status;

        if (p[i].pid > 0 && waitpid(p[i].pid, &status, WNOHANG) == p[i].pid) {
            take_status(&p[i], status);
        }
        running += p[i].pid > 0;
    }
    return running;
}

int processes_run(struct process *p, int n, const char *cwd, int secs)
{
    const struct timespec tick = {.tv_nsec = 20000000};

    (void)fflush(stdout);
    for (int i = 0; i < n; i++) {
        p[i].pid = fork();
        if (p[i].pid == 0) {
            become(&p[i], cwd);
        }
        if (p[i].pid < 0) {
            return golden_trouble(70, "fork: %s", strerror(errno));
        }
    }
    for (int i = 0; reap(p, n) > 0 && i < secs * 50; i++) {
        (void)nanosleep(&tick, NULL);
    }
    for (int i = 0; i < n; i++) {
        int status;

        if (p[i].pid > 0) {
            (void)kill(p[i].pid, SIGKILL);
            if (waitpid(p[i].pid, &status, 0) == p[i].pid) {
                take_status(&p[i], status);
            }
        }
    }
    return 0;
}

void processes_release(struct process *p, int n)
{
    for (int i = 0; i < n; i++) {
        for (int k = 0; p[i].argv != NULL && p[i].argv[k] != NULL; k++) {
            free(p[i].argv[k]);
        }
        free(p[i].argv);
        free(p[i].tf_config);
        free(p[i].stdout_path);
        free(p[i].stderr_path);
    }
}

/* -------------------------------------------------------------------- lines */

char *read_text(const char *path)
{
    struct crew_err ignored = {0};
    char *text = NULL;
    size_t n;

    if (fs_read_file(env_posix(), path, MAX_LOG, &text, &n, &ignored) !=
        CREW_OK) {
        return xstrdup("");
    }
    return text;
}

char *without_paths(const char *model_dir, CREW_TAKES char *text)
{
    struct strbuf out;
    const char *p = text;

    strbuf_init(&out);
    for (const char *at = strstr(p, model_dir); at != NULL;
         at = strstr(p, model_dir)) {
        strbuf_add(&out, p, (size_t)(at - p));
        strbuf_addstr(&out, "$MODEL_DIR");
        p = at + strlen(model_dir);
    }
    strbuf_addstr(&out, p);
    free(text);
    return strbuf_detach(&out);
}

void plain_lines(const char *text, struct texts *out)
{
    while (*text != '\0') {
        size_t n = strcspn(text, "\n");

        if (n > 0) {
            texts_add(out, xasprintf("%.*s", (int)n, text));
        }
        text += n + (text[n] == '\n');
    }
}

/* Brackets that are still open: the text goes on in the next line. */
static int open_brackets(const char *text)
{
    int open = 0;

    for (; *text != '\0'; text++) {
        open += strchr("([{", *text) != NULL;
        open -= strchr(")]}", *text) != NULL;
    }
    return open;
}

/* What follows the head of a line of a log, or NULL; *level is its level. */
static const char *behind_head(const char *line, bool ours, const char **level)
{
    static const char *const theirs[] = {"INFO", "WARNING", "ERROR"};
    static const char *const names[] = {"INFO", "WARN", "ERROR"};

    for (int i = 0; i < 3; i++) {
        size_t n = strlen(ours ? names[i] : theirs[i]);

        *level = names[i];
        if (!ours && strncmp(line, theirs[i], n) == 0 &&
            strncmp(line + n, ":tensorflow:", 12) == 0) {
            return line + n + 12;
        }
        /* 2026-11-23T02:17:01.123Z INFO chief/0 text */
        if (ours && strlen(line) > 26 && line[10] == 'T' && line[23] == 'Z' &&
            strncmp(line + 25, names[i], n) == 0 && line[25 + n] == ' ') {
            const char *text = strchr(line + 26 + n, ' ');

            return text != NULL ? text + 1 : NULL;
        }
    }
    return NULL;
}

/* Our log writes a line end within a text as two characters. */
static void unescape(char *text)
{
    for (char *p = strstr(text, "\\n"); p != NULL; p = strstr(p, "\\n")) {
        p[0] = p[1] = ' ';
    }
}

void log_lines(const char *text, bool ours, struct texts *out)
{
    struct texts lines = {0};
    struct strbuf line;
    bool more = false;

    strbuf_init(&line);
    plain_lines(text, &lines);
    for (int i = 0; i <= lines.n; i++) {
        const char *level = NULL;
        const char *found =
            i < lines.n ? behind_head(lines.items[i], ours, &level) : NULL;

        if (more &&
            (found != NULL || i == lines.n || open_brackets(line.data) <= 0)) {
            texts_add(out, xstrdup(line.data));
            more = false;
        }
        if (found != NULL) {
            strbuf_reset(&line);
            strbuf_addf(&line, "%s %s", level, found);
            more = true;
        } else if (more) {
            strbuf_addf(&line, " %s", lines.items[i]);
        }
    }
    for (int i = 0; ours && i < out->n; i++) {
        unescape(out->items[i]);
    }
    strbuf_release(&line);
    texts_release(&lines);
}
