/* Template (real.h): boxes of images. */

/* Place `at` of n along an axis of `extent` pixels, from one end of a box to the other. */
static REAL NAME(place)(REAL from, REAL to, int64_t extent, int64_t at, int64_t n) {
    const REAL last = (REAL)(extent - 1);
    return n > 1 ? from * last + (REAL)at * ((to - from) * last / (REAL)(n - 1))
                 : (from + to) * last / 2;
}

/* A pixel between four of a plane. Row and column lie in it, but for what a float cannot tell. */
static REAL NAME(sample)(const REAL *plane, int64_t height, int64_t width, REAL row, REAL column,
                         bool nearest) {
    const REAL half = nearest ? (REAL)0.5 : 0;
    int64_t top = (int64_t)(row + half), left = (int64_t)(column + half);
    top = top < height ? top : height - 1;
    left = left < width ? left : width - 1;
    const REAL *a = plane + top * width + left;
    if (nearest)
        return *a;
    const REAL down = row - (REAL)top, right = column - (REAL)left;
    const REAL *b = down > 0 && top + 1 < height ? a + width : a;
    const int64_t next = right > 0 && left + 1 < width;
    const REAL above = a[0] + (a[next] - a[0]) * right, below = b[0] + (b[next] - b[0]) * right;
    return above + (below - above) * down;
}

static void NAME(crop)(const infer_op_env *env) {
    const crop_params *p = env->params;
    const infer_view *x = env->in[X], *y = env->out[0];
    const int64_t height = x->dim[2], width = x->dim[3], rows = y->dim[2], columns = y->dim[3];
    const int32_t *images = env->in[IMAGES]->data;
    REAL *to = y->data;
    for (int64_t i = 0; i < y->dim[0] * y->dim[1]; i++) {
        const int64_t n = i / y->dim[1], channel = i % y->dim[1];
        const REAL *box = (const REAL *)env->in[BOXES]->data + 4 * n;
        const REAL *plane =
            (const REAL *)x->data + (images[n] * x->dim[1] + channel) * height * width;
        for (int64_t r = 0; r < rows; r++) {
            const REAL row = NAME(place)(box[0], box[2], height, r, rows);
            const bool inside = row >= 0 && row <= (REAL)(height - 1);
            for (int64_t c = 0; c < columns; c++) {
                const REAL column = NAME(place)(box[1], box[3], width, c, columns);
                *to++ = inside && column >= 0 && column <= (REAL)(width - 1)
                            ? NAME(sample)(plane, height, width, row, column, p->mode == NEAREST)
                            : (REAL)p->extrapolation_value;
            }
        }
    }
}

#undef REAL
#undef S
