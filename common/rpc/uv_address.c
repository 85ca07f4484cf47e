/* SPDX-License-Identifier: Apache-2.0
 * Addresses: "host:port", "[::1]:port", "unix:/path" or a path with a slash;
 * which are loopback, and which may be listened on without authentication. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rpc/uv_impl.h"
#define CREW_BAN_MEMCPY
#include "base/banned.h"

static int bad(const char *text, const char *why, struct crew_err *err)
{
    return crew_err_exit(err, CREW_INVALID_ARGUMENT, 78,
                         "address \"%.200s\": %s; write host:port", text, why);
}

static bool port_is_valid(const char *port)
{
    char *end;

    if (*port < '0' || *port > '9' || strlen(port) > 5) {
        return false;
    }
    return strtol(port, &end, 10) <= 65535 && *end == '\0';
}

static int parse_unix(const char *text,
                      struct uv_address *address,
                      struct crew_err *err)
{
    const char *path = text;
    struct uv_address a = {.is_unix = true};

    /* sockaddr_un.sun_path has 108 bytes, one of them the NUL. */
    if (*path == '\0' || strlen(path) > 107) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 78,
                             "socket \"%.200s\": the path must have 1 to 107 "
                             "bytes; give a shorter one",
                             path);
    }
    (void)snprintf(a.host, sizeof a.host, "%s", path);
    *address = a;
    return CREW_OK;
}

int uv_address_parse(const char *text,
                     struct uv_address *address,
                     struct crew_err *err)
{
    struct uv_address a = {.is_unix = false};

    if (strncmp(text, "unix:", 5) == 0) {
        return parse_unix(text + 5, address, err);
    }
    if (strchr(text, '/') != NULL) { /* a path: no host has one */
        return parse_unix(text, address, err);
    }
    const char *colon = strrchr(text, ':');
    if (colon == NULL) {
        return bad(text, "no port", err);
    }
    if (!port_is_valid(colon + 1)) {
        return bad(text, "the port is not a number up to 65535", err);
    }
    const char *host = text;
    size_t n = (size_t)(colon - text);
    if (n >= 2 && host[0] == '[' && host[n - 1] == ']') {
        host++;
        n -= 2;
    } else if (memchr(host, ':', n) != NULL) {
        return bad(text, "an IPv6 address stands in [ ]", err);
    }
    if (n >= sizeof a.host) {
        return bad(text, "the host is over 255 bytes", err);
    }
    (void)snprintf(a.host, sizeof a.host, "%.*s", (int)n, host);
    (void)snprintf(a.port, sizeof a.port, "%s", colon + 1);
    *address = a;
    return CREW_OK;
}

bool uv_address_is_loopback(const struct uv_address *a)
{
    struct in_addr v4;
    struct in6_addr v6;

    if (a->is_unix || strcmp(a->host, "localhost") == 0) {
        return true;
    }
    if (inet_pton(AF_INET, a->host, &v4) == 1) {
        return ntohl(v4.s_addr) >> 24 == 127;
    }
    return inet_pton(AF_INET6, a->host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

int rpc_check_bind(const char *address,
                   bool insecure_network,
                   struct crew_err *err)
{
    struct uv_address a;
    int code = uv_address_parse(address, &a, err);

    if (code != CREW_OK || insecure_network || uv_address_is_loopback(&a)) {
        return code;
    }
    return crew_err_exit(
        err, CREW_FAILED_PRECONDITION, 78,
        "refusing to listen on %.200s without authentication: whoever reaches "
        "it could read and change the model. Fix: use a loopback address, or "
        "put the cluster behind an encrypted tunnel that ends on one, or pass "
        "--insecure-network on a network that you trust",
        address);
}
