/* SPDX-License-Identifier: Apache-2.0
 * "host:port" taken apart; see cluster.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/cluster.h"
#include "base/banned.h"

static int refuse(struct crew_err *err, const char *text, const char *hint)
{
    return crew_err_exit(err, CREW_INVALID_ARGUMENT, 78,
                         "Could not interpret \"%.300s\" as a host-port "
                         "pair.%s%s",
                         text, hint[0] != '\0' ? " " : "", hint);
}

/* The digits after the last ':'. */
static bool parse_port(const char *text, uint16_t *port)
{
    size_t n = strspn(text, "0123456789");
    unsigned long value = strtoul(text, NULL, 10);

    if (n == 0 || n > 9 || text[n] != '\0' || value > UINT16_MAX) {
        return false;
    }
    *port = (uint16_t)value;
    return true;
}

/* Something a name or a number of the net may hold. */
static bool host_ok(const char *host, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)host[i];
        if (c <= 0x20 || c == 0x7f || strchr("/[]@\"\\,", c) != NULL) {
            return false;
        }
    }
    return n > 0 && n < sizeof((struct address *)0)->host;
}

/* "[v6]" at the start: its end, or NULL when the bracket is not closed. */
static const char *skip_host(const char *text, bool ipv6)
{
    const char *end;

    if (!ipv6) {
        end = strrchr(text, ':');
        return end != NULL ? end : text + strlen(text);
    }
    end = strchr(text, ']');
    return end != NULL ? end + 1 : NULL;
}

int address_split(const char *text,
                  bool strict,
                  struct address *out,
                  struct crew_err *err)
{
    struct address a = {.port = ADDRESS_DEFAULT_PORT};
    const char *begin = text, *end;
    size_t n;

    if (!strict && strncmp(begin, "grpc://", 7) == 0) {
        begin += 7;
    }
    a.ipv6 = *begin == '[';
    end = skip_host(begin, a.ipv6);
    if (end == NULL || (*end != '\0' && *end != ':')) {
        return refuse(err, text, "IPv6 is written [address]:port.");
    }
    a.default_port = *end == '\0';
    if (a.default_port && strict) {
        return refuse(err, text, "");
    }
    if (!a.default_port && !parse_port(end + 1, &a.port)) {
        return refuse(err, text, "The port is a number from 1 to 65535.");
    }
    begin += a.ipv6;
    n = (size_t)(end - begin) - a.ipv6;
    if (!host_ok(begin, n)) {
        return refuse(err, text, "The host cannot be read.");
    }
    if (!a.ipv6 && memchr(begin, ':', n) != NULL) {
        return refuse(err, text, "IPv6 is written [address]:port.");
    }
    (void)snprintf(a.host, sizeof a.host, "%.*s", (int)n, begin);
    *out = a;
    return CREW_OK;
}

const char *address_text(const struct address *a, char *buf, size_t size)
{
    (void)snprintf(buf, size, a->ipv6 ? "[%s]:%u" : "%s:%u", a->host,
                   (unsigned)a->port);
    return buf;
}

bool address_is_loopback(const struct address *a)
{
    return strcasecmp(a->host, "localhost") == 0 ||
           (!a->ipv6 && strncmp(a->host, "127.", 4) == 0 &&
            a->host[strspn(a->host, "0123456789.")] == '\0') ||
           strcmp(a->host, "::1") == 0;
}
