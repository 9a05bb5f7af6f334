/* Template: shuffles of channels over blocks, in the words of vec.h; in float alone.
 *
 * A vector of channels takes its lanes from a few vectors, as neighbours among the channels of a
 * group are neighbours still: each of these is permuted, and gives the lanes that are its own. */

/* A vector of x and, for each lane of y, the one of its own that goes there, or -1. */
typedef struct NAME(shuffle_source) {
    const T *x;
    int32_t lanes[LANES];
} NAME(shuffle_source);

#define VECS (INFER_PANEL / LANES)

/* All vectors of a place at once: lines of x are read as few times as can be. */
VEC_INLINE void NAME(shuffle_places)(const size_t sources, NAME(shuffle_source) s[][LANES],
                                     size_t places, T *y) {
    const T *x[VECS][LANES];
    JOIN(vec_pick_, S) pick[VECS][LANES];
    foreach (v, VECS)
        foreach (i, sources) {
            x[v][i] = s[v][i].x;
            pick[v][i] = V(picks)(s[v][i].lanes);
        }
    for (size_t k = 0; k < places * INFER_PANEL; k += INFER_PANEL)
        foreach (v, VECS) {
            VEC all = V(set1)(0);
            foreach (i, sources)
                all = V(pick)(all, V(load)(x[v][i] + k), pick[v][i]);
            V(store)(y + k + v * LANES, all);
        }
}

/* The sources of the vector that begins with channel number `first` of y; how many. */
static size_t NAME(shuffle_sources)(const infer_conv2d *c, size_t first, const T *x,
                                    NAME(shuffle_source) * s) {
    const size_t plane = c->in[0] * c->in[1] * INFER_PANEL, each = c->channels / c->group;
    size_t count = 0;
    for (size_t lane = 0; lane < LANES; lane++) {
        size_t i = first + lane < c->channels ? first + lane : c->channels - 1, u = 0;
        i = i % c->group * each + i / c->group;
        const T *from =
            x + i / INFER_PANEL * plane + i % INFER_PANEL / LANES * LANES; /* its vector */
        while (u < count && s[u].x != from)
            u++;
        if (u == count) {
            s[count++].x = from;
            foreach (l, LANES)
                s[u].lanes[l] = -1;
        }
        s[u].lanes[lane] = (int32_t)(i % LANES);
    }
    return count;
}

static void NAME(shuffle_blocked)(const infer_conv2d *c, size_t block, const T *x, T *y) {
    const size_t places = c->in[0] * c->in[1];
    NAME(shuffle_source) s[VECS][LANES];
    size_t most = 0;
    for (size_t v = 0; v < VECS; v++) {
        const size_t count = NAME(shuffle_sources)(c, block * INFER_PANEL + v * LANES, x, s[v]);
        most = most > count ? most : count;
        /* What is too many gives nothing. */
        for (size_t u = count; u < LANES; u++) {
            s[v][u] = s[v][0];
            foreach (l, LANES)
                s[v][u].lanes[l] = -1;
        }
    }
    if (most <= 4)
        NAME(shuffle_places)(4, s, places, y);
    else if (most <= 6)
        NAME(shuffle_places)(LANES < 6 ? LANES : 6, s, places, y);
    else
        NAME(shuffle_places)(LANES, s, places, y);
}

#undef VECS
