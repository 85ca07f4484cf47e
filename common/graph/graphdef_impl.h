/* SPDX-License-Identifier: Apache-2.0
 * The builder of GraphDefs from the inside, for its two files. */
#ifndef GRAPH_GRAPHDEF_IMPL_H
#define GRAPH_GRAPHDEF_IMPL_H

#include "graph/graphdef.h"

struct block;

struct graphdef_alias {
    const char *name, *instead;
};

struct graphdef {
    struct block *blocks;
    Tensorflow__GraphDef message;
    Tensorflow__VersionDef versions;
    size_t cap_nodes;
    Tensorflow__NodeDef *node; /* the one being built */
    struct graphdef_alias *aliases;
    int num_aliases;
    struct graphdef_notes notes;
};

/* Zeroed memory, and a copy of a string, that live as long as the graphdef. */
void *graphdef_room(struct graphdef *, size_t size);
char *graphdef_string(struct graphdef *, const char *);

#endif
