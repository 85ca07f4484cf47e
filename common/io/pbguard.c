/* SPDX-License-Identifier: Apache-2.0
 *
 * protobuf-c trusts its input in four ways that a stranger can use: it recurses
 * as deep as the bytes nest, merges a singular message each time it is repeated
 * (quadratic), keeps unknown fields in memory, and turns two bytes into a whole
 * struct. The scan walks the same bytes without recursion, with a stack of
 * PBGUARD_MAX_DEPTH levels, and refuses all four; the arena, or the cap of the
 * heap, bounds the rest. */
#include "io/pbguard.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#define CREW_BAN_MEMCPY
#include "base/banned.h"

const struct pbguard_limits pbguard_wire = {4096, 32768, 4u << 20};
const struct pbguard_limits pbguard_record = {1u << 20, 64u << 20, 512u << 20};

/* One message being scanned: where it ends and which fields it has had. */
struct level {
    const ProtobufCMessageDescriptor *type;
    size_t end;
    uint64_t seen; /* a bit a field, by its place in type->fields */
};

struct scan {
    const uint8_t *data;
    size_t at;
    int depth;
    struct level levels[PBGUARD_MAX_DEPTH];
    const struct pbguard_limits *limits;
    size_t unknown, elements;
    struct crew_err *err;
};

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

static struct level *top(struct scan *s)
{
    return &s->levels[s->depth - 1];
}

static int refuse(struct scan *s, const char *what, const char *field)
{
    return crew_err_set(s->err, CREW_DATA_LOSS, "message %s: %s%s%s",
                        s->levels[0].type->short_name, what,
                        *field != '\0' ? " " : "", field);
}

static int refuse_more(struct scan *s, size_t limit, const char *what)
{
    return crew_err_set(s->err, CREW_DATA_LOSS, "message %s: more than %zu %s",
                        s->levels[0].type->short_name, limit, what);
}

/* A varint of at most 10 bytes that ends before `end`. */
static bool take_varint(struct scan *s, size_t end, uint64_t *value)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 70 && s->at < end; shift += 7) {
        uint8_t b = s->data[s->at++];
        if (shift == 63 && b > 1) {
            return false;
        }
        v |= (uint64_t)(b & 0x7f) << shift;
        if ((b & 0x80) == 0) {
            *value = v;
            return true;
        }
    }
    return false;
}

/* Place in type->fields of field number `id`; -1 when it is unknown. */
static int field_index(const ProtobufCMessageDescriptor *type, uint64_t id)
{
    for (unsigned i = 0; i < type->n_fields; i++) {
        if (type->fields[i].id == id) {
            return (int)i;
        }
    }
    return -1;
}

static unsigned wire_of(ProtobufCType type)
{
    switch (type) {
        case PROTOBUF_C_TYPE_SFIXED32:
        case PROTOBUF_C_TYPE_FIXED32:
        case PROTOBUF_C_TYPE_FLOAT:
            return WIRE_32;
        case PROTOBUF_C_TYPE_SFIXED64:
        case PROTOBUF_C_TYPE_FIXED64:
        case PROTOBUF_C_TYPE_DOUBLE:
            return WIRE_64;
        case PROTOBUF_C_TYPE_STRING:
        case PROTOBUF_C_TYPE_BYTES:
        case PROTOBUF_C_TYPE_MESSAGE:
            return WIRE_BYTES;
        default:
            return WIRE_VARINT;
    }
}

/* A packed run of numbers: all whole, each one counted. */
static int scan_packed(struct scan *s,
                       const ProtobufCFieldDescriptor *field,
                       size_t n)
{
    unsigned wire = wire_of(field->type);
    size_t end = s->at + n;
    uint64_t value;

    if (wire != WIRE_VARINT) {
        size_t size = wire == WIRE_32 ? 4 : 8;
        if (n % size != 0) {
            return refuse(s, "cut element in field", field->name);
        }
        s->elements += n / size;
        s->at = end;
        return CREW_OK;
    }
    while (s->at < end) {
        if (!take_varint(s, end, &value)) {
            return refuse(s, "cut element in field", field->name);
        }
        s->elements++;
    }
    return CREW_OK;
}

/* The n bytes of a field of wire type 2, which stand at s->at. */
static int scan_bytes(struct scan *s,
                      const ProtobufCFieldDescriptor *field,
                      size_t n)
{
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        if (s->depth == PBGUARD_MAX_DEPTH) {
            return refuse(s, "nested deeper than 16 messages at", field->name);
        }
        s->levels[s->depth++] = (struct level){field->descriptor, s->at + n, 0};
        return CREW_OK;
    }
    if (field->type == PROTOBUF_C_TYPE_STRING &&
        memchr(s->data + s->at, 0, n) != NULL) {
        return refuse(s, "NUL in the text of field", field->name);
    }
    if (wire_of(field->type) != WIRE_BYTES) {
        return scan_packed(s, field, n);
    }
    s->at += n;
    return CREW_OK;
}

/* How many bytes of content follow a tag of this wire type. For WIRE_BYTES the
 * length has been read over and the content is still to come; a varint has been
 * read over as a whole (0 is left). */
static bool content_length(struct scan *s, unsigned wire, size_t *n)
{
    uint64_t value = 0;
    size_t end = top(s)->end;

    switch (wire) {
        case WIRE_VARINT:
        case WIRE_BYTES:
            if (!take_varint(s, end, &value)) {
                return false;
            }
            *n = wire == WIRE_BYTES ? (size_t)value : 0;
            break;
        case WIRE_64:
            *n = 8;
            break;
        case WIRE_32:
            *n = 4;
            break;
        default: /* groups went out of use before this protocol was written */
            return false;
    }
    return *n <= end - s->at;
}

/* Known field: no singular one twice, and the wire type that is its own. */
static int judge_field(struct scan *s, int index, unsigned wire)
{
    const ProtobufCFieldDescriptor *field = &top(s)->type->fields[index];
    bool repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
    uint64_t bit = (uint64_t)1 << index;

    if (!repeated && (top(s)->seen & bit) != 0) {
        return refuse(s, "singular field twice:", field->name);
    }
    top(s)->seen |= bit;
    if (wire != wire_of(field->type) && !(repeated && wire == WIRE_BYTES)) {
        return refuse(s, "wrong wire type of field", field->name);
    }
    return CREW_OK;
}

static int scan_field(struct scan *s)
{
    size_t start = s->at, n;
    uint64_t tag;

    if (!take_varint(s, top(s)->end, &tag) || tag >> 3 == 0 ||
        tag > UINT32_MAX) {
        return refuse(s, "malformed field number", "");
    }
    int index = field_index(top(s)->type, tag >> 3);
    unsigned wire = (unsigned)(tag & 7);
    if (!content_length(s, wire, &n)) {
        return refuse(s, "malformed or cut field",
                      index < 0 ? "" : top(s)->type->fields[index].name);
    }
    s->elements++;
    if (index < 0) {
        s->at += n;
        s->unknown += s->at - start;
        return s->unknown > s->limits->unknown
                   ? refuse_more(s, s->limits->unknown,
                                 "bytes of unknown fields")
                   : CREW_OK;
    }
    int code = judge_field(s, index, wire);
    if (code == CREW_OK && wire == WIRE_BYTES) {
        return scan_bytes(s, &top(s)->type->fields[index], n);
    }
    s->at += n;
    return code;
}

int pbguard_check(const ProtobufCMessageDescriptor *type,
                  const struct pbguard_limits *limits,
                  const uint8_t *data,
                  size_t n,
                  struct crew_err *err)
{
    struct scan s = {.data = data, .depth = 1, .limits = limits, .err = err};
    int code = CREW_OK;

    s.levels[0] = (struct level){type, n, 0};
    while (code == CREW_OK && s.depth > 0) {
        INVARIANT(top(&s)->type->n_fields <= 64);
        if (s.at == top(&s)->end) {
            s.depth--;
            continue;
        }
        code = scan_field(&s);
        if (code == CREW_OK && s.elements > limits->elements) {
            code = refuse_more(&s, limits->elements, "elements");
        }
    }
    return code;
}

/* ----------------------------------------------------- the heap with a cap */

static void *capped_alloc(void *left, size_t n)
{
    size_t *room = left;

    if (n > *room) {
        return NULL;
    }
    *room -= n;
    return malloc(n);
}

static void capped_free(void *left, void *p)
{
    (void)left;
    free(p);
}

int pbguard_unpack(const ProtobufCMessageDescriptor *type,
                   const struct pbguard_limits *limits,
                   const uint8_t *data,
                   size_t n,
                   ProtobufCMessage **message,
                   struct crew_err *err)
{
    size_t left = limits->memory;
    ProtobufCAllocator capped = {capped_alloc, capped_free, &left};
    ProtobufCMessage *m;

    if (pbguard_check(type, limits, data, n, err) != CREW_OK) {
        err->exit_code = 65;
        return err->code;
    }
    m = protobuf_c_message_unpack(type, &capped, n, data);
    if (m == NULL) {
        return crew_err_exit(err, CREW_DATA_LOSS, 65,
                             "message %s: malformed, or more than %zu bytes "
                             "when unpacked",
                             type->short_name, limits->memory);
    }
    *message = m;
    return CREW_OK;
}

/* ------------------------------------------------------------------- arena */

static void *arena_alloc(void *self, size_t n)
{
    struct arena *a = self;
    size_t need = (n + 15) & ~(size_t)15;

    if (n > ARENA_SIZE || need > ARENA_SIZE - a->used) {
        return NULL;
    }
    void *p = a->base + a->used;
    a->used += need;
    a->most = a->used > a->most ? a->used : a->most;
    return p;
}

static void arena_no_free(void *self, void *p)
{
    (void)self;
    (void)p;
}

void arena_init(struct arena *a)
{
    a->base = xmalloc(ARENA_SIZE);
    a->used = 0;
    a->most = 0;
    a->allocator = (ProtobufCAllocator){arena_alloc, arena_no_free, a};
}

void arena_release(struct arena *a)
{
    free(a->base);
    a->base = NULL;
}

void arena_reset(struct arena *a)
{
    a->used = 0;
}

int arena_unpack(struct arena *a,
                 const ProtobufCMessageDescriptor *type,
                 const uint8_t *data,
                 size_t n,
                 const ProtobufCMessage **message,
                 struct crew_err *err)
{
    int code = pbguard_check(type, &pbguard_wire, data, n, err);

    if (code != CREW_OK) {
        return code;
    }
    const ProtobufCMessage *m =
        protobuf_c_message_unpack(type, &a->allocator, n, data);
    if (m == NULL) {
        return crew_err_set(err, CREW_DATA_LOSS,
                            "message %s: malformed, or more than %u bytes "
                            "when unpacked",
                            type->short_name, ARENA_SIZE);
    }
    *message = m;
    return CREW_OK;
}
