/* Where the nodes of a tree lie: so that a walk reads few lines of memory and few pages.
 *
 * Siblings are pairs. The root and the pairs next to it share a line; every other line is a pair
 * and what follows from it, as much as the line holds. Lines are in the order of levels until they
 * fill a page; what is left then begins pages of its own. Pairs with less than a line below them
 * are put together at the end of the page. */
#include "trees_build.h"

#include "status.h"

#include <string.h>

#define LINE_PAIRS 4  /* of narrow nodes */
#define PAGE_LINES 60 /* that are filled before the next page; some more hold what is small */

/* A queue of nodes whose children have no place yet; one that has been emptied begins again. */
typedef struct queue {
    uint32_t *nodes, first, end;
} queue;

static void push(queue *q, uint32_t node) {
    q->nodes[q->end++] = node;
}

static uint32_t pop(queue *q) {
    return q->nodes[q->first++];
}

static bool is_empty(const queue *q) {
    return q->first == q->end;
}

typedef struct layout {
    const uint32_t *child;                 /* of the tree's nodes, breadth first; 0: a leaf */
    uint32_t *place;                       /* of the tree's nodes */
    uint8_t *below;                        /* pairs below a node, LINE_PAIRS at most */
    uint64_t end;                          /* pairs that are placed, of all trees */
    queue pages, lines, small[LINE_PAIRS]; /* small: by the pairs below */
    uint32_t furthest;
} layout;

static void put_pair(layout *l, uint32_t node) {
    uint64_t at = 2 * l->end++;
    uint32_t first = l->child[node];
    uint64_t ahead = at - l->place[node];
    l->place[first] = (uint32_t)at;
    l->place[first + 1] = (uint32_t)at + 1;
    l->furthest = ahead > l->furthest ? (uint32_t)ahead : l->furthest;
}

/* The next line, but where what comes fits this one. */
static void make_room(layout *l, uint32_t pairs) {
    uint32_t left = LINE_PAIRS - l->end % LINE_PAIRS;
    if (left < pairs)
        l->end += left;
}

/* Puts the children of a node, and what is below them as far as the line goes; others wait. */
static void fill_line(layout *l, uint32_t node) {
    uint32_t wait[2 * LINE_PAIRS + 1], first = 0, end = 0;
    make_room(l, l->below[node]);
    wait[end++] = node;
    do {
        uint32_t at = wait[first++], child = l->child[at];
        put_pair(l, at);
        for (uint32_t c = child; c < child + 2; c++)
            if (l->child[c])
                wait[end++] = c;
    } while (first < end && l->end % LINE_PAIRS);
    for (; first < end; first++) {
        uint32_t below = l->below[wait[first]];
        push(below < LINE_PAIRS ? &l->small[below] : &l->lines, wait[first]);
    }
}

/* The most pairs, `room` at most, that something small has. */
static uint32_t largest_small(const layout *l, uint32_t room) {
    while (room && is_empty(&l->small[room]))
        room--;
    return room;
}

/* Lines of what is small: always the largest that fits. */
static void fill_small(layout *l) {
    for (uint32_t most; (most = largest_small(l, LINE_PAIRS - 1)) > 0;) {
        uint32_t left = LINE_PAIRS - l->end % LINE_PAIRS;
        uint32_t size = most < left ? most : largest_small(l, left);
        if (size)
            fill_line(l, pop(&l->small[size]));
        else
            l->end += left;
    }
}

static void fill_page(layout *l, uint32_t node) {
    uint64_t begin = l->end;
    l->lines.first = l->lines.end = 0;
    for (uint32_t size = 1; size < LINE_PAIRS; size++)
        l->small[size].first = l->small[size].end = 0;
    push(&l->lines, node);
    while (!is_empty(&l->lines) && l->end - begin < (uint64_t)PAGE_LINES * LINE_PAIRS)
        fill_line(l, pop(&l->lines));
    fill_small(l);
    while (!is_empty(&l->lines))
        push(&l->pages, pop(&l->lines));
}

static void count_below(const layout *l, uint32_t n) {
    for (uint32_t i = n; i-- > 0;) {
        uint32_t c = l->child[i], pairs = c ? 1u + l->below[c] + l->below[c + 1] : 0;
        l->below[i] = (uint8_t)(pairs < LINE_PAIRS ? pairs : LINE_PAIRS);
    }
}

static void place_tree(layout *l, uint32_t n) {
    count_below(l, n);
    l->pages.first = l->pages.end = 0;
    make_room(l, l->below[0] < LINE_PAIRS ? l->below[0] + 1u : LINE_PAIRS);
    l->place[0] = (uint32_t)(2 * l->end++);
    if (n > 1)
        push(&l->pages, 0);
    /* The root's own page begins with the rest of its line. */
    for (bool root = true; !is_empty(&l->pages); root = false) {
        uint32_t node = pop(&l->pages);
        if (root)
            l->below[node] = 1;
        fill_page(l, node);
    }
}

infer_status infer_trees_place(infer_rewriter *rw, const uint32_t *bases, uint32_t trees,
                               const uint32_t *child, infer_tree_places *places) {
    uint32_t most = 0, total = bases[trees];
    for (uint32_t t = 0; t < trees; t++)
        most = bases[t + 1] - bases[t] > most ? bases[t + 1] - bases[t] : most;
    size_t list = (most / 2 + (size_t)1) * sizeof(uint32_t);
    layout l = {.child = child};
    l.below = rw->alloc(rw, most + (size_t)1);
    l.pages.nodes = rw->alloc(rw, list);
    l.lines.nodes = rw->alloc(rw, list);
    for (uint32_t size = 1; size < LINE_PAIRS; size++)
        l.small[size].nodes = rw->alloc(rw, list);
    uint32_t *place = rw->alloc(rw, (total + (size_t)1) * sizeof *place);
    if (rw->failed != INFER_OK)
        return rw->failed;
    for (uint32_t t = 0; t < trees; t++) {
        l.child = child + bases[t];
        l.place = place + bases[t];
        place_tree(&l, bases[t + 1] - bases[t]);
        if (l.end >= INT32_MAX / 2)
            return infer_fail(INFER_ERROR_LIMIT, "%u nodes are too many", total);
    }
    rw->release(rw, l.below, most + (size_t)1);
    rw->release(rw, l.pages.nodes, list);
    rw->release(rw, l.lines.nodes, list);
    for (uint32_t size = 1; size < LINE_PAIRS; size++)
        rw->release(rw, l.small[size].nodes, list);
    *places = (infer_tree_places){place, (uint32_t)(2 * l.end), l.furthest};
    return INFER_OK;
}
