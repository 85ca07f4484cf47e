/* SPDX-License-Identifier: Apache-2.0
 * The handler sets a flag and ends the wait the process is in; everything else
 * happens where the flag is looked at. */
#include "estimator/run/signals.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/banned.h"

#define STOP_WITHIN_SECS 25

/* A handler has no argument of ours: these cannot be anything but globals. */
static volatile sig_atomic_t first_signal;
static _Atomic(void *) interrupt_arg;
static void (*_Atomic interrupt_fn)(void *);

static void call_interrupt(void)
{
    void (*interrupt)(void *) = atomic_load(&interrupt_fn);

    if (interrupt != NULL) {
        interrupt(atomic_load(&interrupt_arg));
    }
}

static void say(const char *text)
{
    ssize_t ignored = write(STDERR_FILENO, text, strlen(text));

    (void)ignored;
}

static void on_signal(int number)
{
    if (first_signal != 0) {
        _exit(128 + number);
    }
    first_signal = number;
    (void)alarm(STOP_WITHIN_SECS);
    call_interrupt();
}

static void on_alarm(int number)
{
    (void)number;
    say("Could not stop within 25 seconds; the newest checkpoint stands.\n");
    _exit(128 + (int)first_signal);
}

static void handle(int number, void (*handler)(int))
{
    struct sigaction action;

    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    (void)sigaction(number, &action, NULL);
}

void signals_install(void)
{
    handle(SIGINT, on_signal);
    handle(SIGTERM, on_signal);
    handle(SIGALRM, on_alarm);
    handle(SIGPIPE, SIG_IGN);
}

int signals_pending(void)
{
    return (int)first_signal;
}

void signals_on_interrupt(void (*interrupt)(void *), void *arg)
{
    atomic_store(&interrupt_fn, NULL);
    atomic_store(&interrupt_arg, arg);
    atomic_store(&interrupt_fn, interrupt);
    if (first_signal != 0) {
        call_interrupt();
    }
}

int signals_check(struct crew_err *err)
{
    int number = signals_pending();

    if (number == 0) {
        return CREW_OK;
    }
    return crew_err_exit(err, CREW_CANCELLED, 128 + number, "stopped by %s",
                         number == SIGINT ? "SIGINT" : "SIGTERM");
}

void signals_sleep(double secs)
{
    struct timespec slice = {0};

    /* Slices, because a signal that comes just before the call would not end
     * it. */
    while (secs > 0 && signals_pending() == 0) {
        double s = secs < 0.05 ? secs : 0.05;

        slice.tv_nsec = (long)(s * 1e9);
        (void)nanosleep(&slice, NULL);
        secs -= s;
    }
}
