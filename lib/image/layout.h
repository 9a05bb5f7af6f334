/*
 * The compact format, as it lies in memory and on disk (docs/format.md says it in words).
 *
 * Every structure has fixed-size fields, natural alignment and no padding that is not named. All
 * offsets count bytes from the start of the image; sections begin at multiples of 64.
 */
#ifndef INFER_IMAGE_LAYOUT_H
#define INFER_IMAGE_LAYOUT_H

#include "infer.h"

#define INFER_IMAGE_MAGIC                                                                          \
    "\211INFER\r\n" /* 8 bytes; the first is not ASCII, the last show text mangling */
#define INFER_IMAGE_VERSION 2u
#define INFER_IMAGE_ENDIAN  0x01020304u
#define INFER_IMAGE_ALIGN   64u
#define INFER_IMAGE_PADDING 64u /* zero bytes at the end, so that vector loads stay inside */
#define INFER_IMAGE_NONE    UINT32_MAX

/* X(name, record type): the sections in their order in the header. */
#define INFER_IMAGE_SECTIONS(X)                                                                    \
    X(values, infer_image_value) /* everything a graph names: inputs, constants, intermediates */  \
    X(nodes, infer_image_node)   /* of each graph in an order in which they can run */             \
    X(graphs, infer_image_graph) /* 0: the model; others: bodies of If, Loop, Scan, ... */         \
    X(inputs, infer_image_port)  /* of the model */                                                \
    X(outputs, infer_image_port) /* of the model */                                                \
    X(edges, uint32_t)           /* value numbers: inputs, then outputs of each node and body */   \
    X(extents, int64_t)          /* dims of values and ports */                                    \
    X(symbols, infer_image_string) /* names of dynamic extents of ports */                         \
    X(metadata, infer_image_pair)                                                                  \
    X(features, infer_image_string) /* names of infer_predict's features; none or all */           \
    X(text, char)                   /* strings, each followed by a zero byte */                    \
    X(blob, char)                   /* lists of parameter records */                               \
    X(records, char)                /* parameter records, each at a multiple of 8 */               \
    X(data, char)                   /* constants and packed weights, each at a multiple of 64 */

typedef struct infer_image_section {
    uint64_t offset;
    uint64_t count; /* records, not bytes */
} infer_image_section;

/* A string of the text section: offset there, length without the zero byte. */
typedef struct infer_image_string {
    uint32_t offset;
    uint32_t size;
} infer_image_string;

typedef struct infer_image_pair {
    infer_image_string key, value;
} infer_image_pair;

typedef struct infer_image_header {
    char magic[8];
    uint32_t version;
    uint32_t endian;
    uint32_t header_size;                                     /* sizeof(infer_image_header) */
    uint16_t value_size, node_size, port_size, section_count; /* sizeof of the records */
    uint16_t graph_size;
    uint16_t reserved;
    uint64_t size; /* of the whole image, with padding */
    uint64_t hash; /* XXH64 of what follows the header, seeded with the XXH64 (seed 0) of the
                      header with this field zero */
    uint64_t reserved2;
#define SECTION(name, type) infer_image_section name;
    INFER_IMAGE_SECTIONS(SECTION)
#undef SECTION
} infer_image_header;

typedef struct infer_image_value {
    infer_image_string name;
    uint8_t kind;       /* infer_kind */
    uint8_t type;       /* infer_type of the elements, of the tensors in a sequence or optional, of
                           a map's keys */
    uint8_t constant;   /* 1: data_offset and data_size hold its elements */
    uint8_t member;     /* infer_kind of what a sequence or optional holds */
    int32_t rank;       /* -1 unknown */
    uint32_t extents;   /* first of rank entries of the extents section */
    uint8_t value_type; /* infer_type of a map's values */
    uint8_t reserved[3];
    uint64_t data_offset; /* in the data section. Strings: infer_image_text[count], then bytes */
    uint64_t data_size;
} infer_image_value;

/* An element of a constant string tensor: offset counts from the value's own data_offset. */
typedef struct infer_image_text {
    uint64_t offset, size;
} infer_image_text;

typedef struct infer_image_node {
    infer_image_string name;
    infer_image_string domain;
    infer_image_string op;
    uint32_t revision; /* of the parameter record */
    uint32_t record_size;
    uint64_t record; /* offset in the records section, a multiple of 8 */
    uint32_t edges;  /* first of in_count + out_count entries of the edges section */
    uint32_t in_count, out_count;
    uint32_t reserved;
} infer_image_node;

/* Graphs follow one another in the nodes; a node calls only graphs behind its own, each of them is
 * called by one node. */
typedef struct infer_image_graph {
    uint32_t node, node_count;    /* first node */
    uint32_t edges;               /* first of in_count + out_count entries of the edges section */
    uint32_t in_count, out_count; /* of a body; the model's are its ports */
    uint32_t reserved;
} infer_image_graph;

typedef struct infer_image_port {
    infer_image_string name;
    infer_image_string type_string;
    uint32_t value; /* number of the value */
    uint8_t kind, type, optional, reserved;
    int32_t rank;
    uint32_t extents; /* first of rank entries of extents */
    uint32_t symbols; /* first of rank entries of symbols */
    uint32_t reserved2;
} infer_image_port;

/* The record of operator infer.Linear, the one that a program without operators can run.
 * Inputs: 0 X [rows, K] or [K]; constants 1 weights float[N][K], 2 bias float[N], 3 and 4 the same
 * as double where the float ones are not exact (both or none), 5 class labels, int64 or string, as
 * many as there are scores. Outputs: 0 scores float[rows][N], or [rows][2] where binary is set; 1
 * label [rows], the class of the largest score, the first of equal ones. */
typedef struct infer_linear_record {
    uint32_t link;   /* infer_link */
    uint32_t binary; /* 1: the one product z serves two classes as {-z, z}, before the link */
    uint32_t wide;   /* 1: float rows are computed in double, too: the weights would cancel */
    uint32_t reserved;
} infer_linear_record;

#endif
