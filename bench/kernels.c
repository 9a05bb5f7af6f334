/*
 * Times every variant of the kernels that this machine runs, against OpenBLAS and against what the
 * machine does at best: kernels [--json FILE] [--quick] [name prefix]. --quick leaves the scalar
 * reference out.
 *
 * Variants take turns in rounds, so that a slow moment hits all of them; a figure is the median of
 * the rounds, a ratio the median of the rounds' ratios. OpenBLAS gets its plain matrices, ours are
 * packed beforehand, as they are in a model. The limit of dot and matvec is reading the same bytes,
 * that of gemm the same number of multiplications in registers.
 */
#define _POSIX_C_SOURCE 200809L /* clock_gettime, setenv */

#include "kernels.h"

#include "cpu.h"
#include "limits.h"
#include "pack.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS       15
#define ROUND_NS     2e6
#define MAX_VARIANTS 7

/* The thread's own time: the turns of other programs do not count. */
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* ---- variants ---- */

/* X(type, our suffix, BLAS letter) */
#define TYPES(X) X(float, f32, s) X(double, f64, d)

#define BLAS_FIELDS(T, S, L)                                                                       \
    T (*dot_##S)(int, const T *, int, const T *, int);                                             \
    void (*gemv_##S)(int, int, int, int, T, const T *, int, const T *, int, T, T *, int);          \
    void (*gemm_##S)(int, int, int, int, int, int, T, const T *, int, const T *, int, T, T *, int);
static struct { TYPES(BLAS_FIELDS) } blas;

typedef enum kind { OURS, BLAS, LIMIT } kind;

static struct {
    const char *name, *only; /* kernels that it has of its own; NULL: all */
    kind kind;
    infer_kernels k;
} variants[MAX_VARIANTS];
static size_t variant_count;
static const char *blas_core = "";

static void add_blas(uint32_t have) {
    /* One thread, and the core's kind where the library may not know its name. */
    setenv("OPENBLAS_NUM_THREADS", "1", 0);
    if (have & INFER_CPU_AVX512)
        setenv("OPENBLAS_CORETYPE", "SkylakeX", 0);
    void *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL), *symbol;
    if (!library) {
        printf("OpenBLAS: %s\n", dlerror());
        return;
    }
#define RESOLVE(field, name)                                                                       \
    if (!(symbol = dlsym(library, name)))                                                          \
        return;                                                                                    \
    memcpy(&field, &symbol, sizeof symbol);
#define BLAS_RESOLVE(T, S, L)                                                                      \
    RESOLVE(blas.dot_##S, "cblas_" #L "dot")                                                       \
    RESOLVE(blas.gemv_##S, "cblas_" #L "gemv")                                                     \
    RESOLVE(blas.gemm_##S, "cblas_" #L "gemm")
    TYPES(BLAS_RESOLVE)
    char *(*core)(void);
    RESOLVE(core, "openblas_get_corename")
    blas_core = core();
    variants[variant_count].name = "openblas";
    variants[variant_count++].kind = BLAS;
}

static void add_variants(int quick) {
    static const struct {
        const char *name, *only;
        uint32_t flags;
    } tiers[] = {{"scalar", NULL, 0},
                 {"avx2", NULL, INFER_CPU_AVX2},
                 {"avx512", NULL, INFER_CPU_AVX2 | INFER_CPU_AVX512},
                 {"fast-bf16", "gemm_half_f32",
                  INFER_CPU_AVX2 | INFER_CPU_AVX512 | INFER_CPU_AVX512_BF16 | INFER_CPU_FAST_BF16},
                 {"amx", "gemm_half_f32",
                  INFER_CPU_AVX2 | INFER_CPU_AVX512 | INFER_CPU_AVX512_BF16 | INFER_CPU_AMX_BF16},
                 {"neon", NULL, INFER_CPU_NEON}};
    uint32_t have = infer_cpu_features();
    for (size_t i = quick && have & (INFER_CPU_AVX2 | INFER_CPU_NEON);
         i < sizeof tiers / sizeof *tiers; i++)
        if ((have & tiers[i].flags) == tiers[i].flags) {
            variants[variant_count].name = tiers[i].name;
            variants[variant_count].only = tiers[i].only;
            infer_kernels_init(&variants[variant_count].k, tiers[i].flags);
            infer_kernels_init_blocked(&variants[variant_count++].k, tiers[i].flags);
        }
    add_blas(have);
    if (infer_limits_exist()) {
        variants[variant_count].name = "limit";
        variants[variant_count++].kind = LIMIT;
    }
}

/* ---- cases ---- */

typedef struct operands {
    void *a, *b, *c, *packed;
    size_t m, n, k;
    const infer_conv2d *conv;
    const infer_attend *attend;
    float *scratch;
} operands;

static volatile double sink;

/* Runs a kernel often; returns whether this variant has it. */
typedef int bench_fn(const operands *o, size_t variant, size_t times);

#define REPEAT for (size_t t = 0; t < times; t++)
#define SWITCH(ours, openblas, limit)                                                              \
    switch (variants[variant].kind) {                                                              \
    case OURS:                                                                                     \
        REPEAT ours;                                                                               \
        break;                                                                                     \
    case BLAS:                                                                                     \
        REPEAT openblas;                                                                           \
        break;                                                                                     \
    case LIMIT:                                                                                    \
        REPEAT limit;                                                                              \
        break;                                                                                     \
    }
#define LINEAR(T, S, L)                                                                            \
    static int bench_dot_##S(const operands *o, size_t variant, size_t times) {                    \
        double sum = 0;                                                                            \
        SWITCH(sum += (double)variants[variant].k.dot_##S(o->a, o->b, o->k),                       \
               sum += (double)blas.dot_##S((int)o->k, o->a, 1, o->b, 1),                           \
               sum += infer_limits_read(o->a, o->b, o->k * sizeof(T)))                             \
        sink = sum;                                                                                \
        return 1;                                                                                  \
    }                                                                                              \
    static int bench_matvec_##S(const operands *o, size_t variant, size_t times) {                 \
        SWITCH(variants[variant].k.matvec_##S(o->n, o->k, o->b, o->k, o->a, NULL, o->c),           \
               blas.gemv_##S(101, 111, (int)o->n, (int)o->k, 1, o->b, (int)o->k, o->a, 1, 0, o->c, \
                             1),                                                                   \
               sink = infer_limits_read(o->b, NULL, o->n * o->k * sizeof(T)))                      \
        return 1;                                                                                  \
    }                                                                                              \
    static int bench_gemm_packed_##S(const operands *o, size_t variant, size_t times) {            \
        SWITCH(variants[variant].k.gemm_packed_##S(o->m, o->n, o->k, o->a, o->k, o->packed, NULL,  \
                                                   o->c, o->n),                                    \
               blas.gemm_##S(101, 111, 111, (int)o->m, (int)o->n, (int)o->k, 1, o->a, (int)o->k,   \
                             o->b, (int)o->n, 0, o->c, (int)o->n),                                 \
               sink = infer_limits_fma_##S((double)o->m * (double)o->n * (double)o->k))            \
        return 1;                                                                                  \
    }
TYPES(LINEAR)

#define MAP_NAMES(X, T, S) X(exp, T, S) X(sigmoid, T, S) X(tanh, T, S) X(erf, T, S) X(softmax, T, S)
#define MAP(name, T, S)                                                                            \
    static int bench_##name##_##S(const operands *o, size_t variant, size_t times) {               \
        if (variants[variant].kind != OURS)                                                        \
            return 0;                                                                              \
        REPEAT variants[variant].k.name##_##S(o->a, o->c, o->k);                                   \
        return 1;                                                                                  \
    }
MAP_NAMES(MAP, float, f32)
MAP_NAMES(MAP, double, f64)

/* x, weights, bias and y of a convolution are a, packed, b and c; m, n and k its outputs, places
 * and the length of a sum. The limit is a direct sum's: Winograd's passes it. */
static infer_conv_part whole(const infer_conv2d *c) {
    bool fast = infer_conv_is_winograd(c);
    return (infer_conv_part){.places = fast ? infer_winograd_of(c).tiles : c->out[0] * c->out[1],
                             .panels = (c->outputs + 15) / 16};
}

#define CONV_NAMES(X) X(blocked) X(winograd)
#define CONV(name)                                                                                 \
    static int bench_conv_##name##_f32(const operands *o, size_t variant, size_t times) {          \
        if (variants[variant].kind == BLAS)                                                        \
            return 0;                                                                              \
        infer_conv_part all = whole(o->conv);                                                      \
        SWITCH(variants[variant].k.conv_##name##_f32(o->conv, &all, o->a, o->packed, o->b, NULL,   \
                                                     o->c, o->scratch),                            \
               (void)0, sink = infer_limits_fma_f32((double)o->m * (double)o->n * (double)o->k))   \
        return 1;                                                                                  \
    }
CONV_NAMES(CONV)

static int bench_conv_depthwise_f32(const operands *o, size_t variant, size_t times) {
    if (variants[variant].kind != OURS)
        return 0;
    REPEAT variants[variant].k.conv_depthwise_f32(o->conv, o->a, o->packed, o->b, NULL, o->c);
    return 1;
}

/* The limit is that of float, which this is to leave behind. */
static int bench_gemm_half_f32(const operands *o, size_t variant, size_t times) {
    bool has = variants[variant].kind != BLAS;
    SWITCH(has = has && variants[variant].k.gemm_half_f32(o->m, o->n, o->k, o->a, o->k, o->packed,
                                                          NULL, o->c, o->n, o->scratch),
           (void)0, sink = infer_limits_fma_f32((double)o->m * (double)o->n * (double)o->k))
    return has;
}

/* m queries, n keys, k their size. The limit of one query is reading keys and values. */
static int bench_attend_f32(const operands *o, size_t variant, size_t times) {
    if (variants[variant].kind == BLAS)
        return 0;
    SWITCH(variants[variant].k.attend_f32(o->attend, o->scratch), (void)0,
           sink = o->m == 1 ? infer_limits_read(o->b, o->packed, o->n * o->k * sizeof(float))
                            : infer_limits_fma_f32(2 * (double)o->m * (double)o->n * (double)o->k))
    return 1;
}

/* ---- measuring ---- */

static FILE *json;
static const char *prefix = "";
static size_t reported;

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void *filled(size_t elements, int wide) {
    void *p = aligned_alloc(64, (elements * (wide ? 8 : 4) + 127) / 64 * 64);
    if (!p) {
        perror("kernels");
        exit(1);
    }
    for (size_t i = 0; i < elements; i++) {
        double v = (double)(i * 2654435761u % 1000) / 500 - 1;
        if (wide)
            ((double *)p)[i] = v;
        else
            ((float *)p)[i] = (float)v;
    }
    return p;
}

/* The median of what the variant of a kind took against variant v, round by round; 0 where it did
 * not take part. */
static double against(kind wanted, double ns[][ROUNDS], size_t v) {
    double ratios[ROUNDS];
    size_t w = 0;
    while (w < variant_count && variants[w].kind != wanted)
        w++;
    if (w == variant_count || ns[w][0] == 0)
        return 0;
    for (size_t r = 0; r < ROUNDS; r++)
        ratios[r] = ns[w][r] / ns[v][r];
    qsort(ratios, ROUNDS, sizeof *ratios, by_value);
    return ratios[ROUNDS / 2];
}

static void report(const char *kernel, const operands *o, size_t v, double ns[][ROUNDS],
                   double amount, const char *unit) {
    double sorted[ROUNDS];
    memcpy(sorted, ns[v], sizeof sorted);
    qsort(sorted, ROUNDS, sizeof *sorted, by_value);
    double median = sorted[ROUNDS / 2];
    printf(" %8s %11.1f ns %7.1f", variants[v].name, median, amount / median);
    if (json)
        fprintf(json,
                "%s\n  {\"kernel\": \"%s\", \"m\": %zu, \"n\": %zu, \"k\": %zu, \"variant\": "
                "\"%s\", \"ns\": %.2f, \"rate\": %.2f, \"unit\": \"%s\", \"times_openblas\": %.3f, "
                "\"of_limit\": %.3f}",
                reported++ ? "," : "", kernel, o->m, o->n, o->k, variants[v].name, median,
                amount / median, unit, against(BLAS, ns, v), against(LIMIT, ns, v));
}

/* amount: what the call moves or computes, in bytes or operations, so that amount / ns is the rate.
 */
static void measure(const char *kernel, bench_fn *f, const operands *o, double amount,
                    const char *unit) {
    double ns[MAX_VARIANTS][ROUNDS] = {{0}};
    size_t times[MAX_VARIANTS];
    int has[MAX_VARIANTS];
    for (size_t v = 0; v < variant_count; v++) {
        double took = 0;
        has[v] = (!variants[v].only || strcmp(variants[v].only, kernel) == 0) &&
                 f(o, v, 1); /* and warms up */
        for (times[v] = 1; has[v]; times[v] *= 2) {
            took = -now();
            f(o, v, times[v]);
            if ((took += now()) >= ROUND_NS / 4)
                break;
        }
    }
    for (size_t r = 0; r < ROUNDS; r++)
        for (size_t v = 0; v < variant_count; v++) {
            if (!has[v])
                continue;
            double start = now();
            f(o, v, times[v]);
            ns[v][r] = (now() - start) / (double)times[v];
        }
    printf("%-16s %5zu %5zu %8zu %-7s", kernel, o->m, o->n, o->k, unit);
    for (size_t v = 0; v < variant_count; v++)
        if (has[v])
            report(kernel, o, v, ns, amount, unit);
    printf("\n");
    fflush(stdout);
}

static int wanted(const char *kernel) {
    return strncmp(kernel, prefix, strlen(prefix)) == 0;
}

static const size_t lengths[] = {1,    8,    16,    30,    64,      100,     256,
                                 1000, 4096, 16384, 65536, 1 << 20, 16 << 20};
static const size_t matrices[][2] = {{1, 30},    {3, 4},     {10, 64},     {10, 784},   {100, 100},
                                     {1000, 30}, {512, 512}, {1000, 1000}, {4096, 4096}};
static const size_t products[][3] = {
    {1, 10, 784},    {1, 1000, 1000}, {1, 4096, 4096},    {2, 512, 512},      {3, 512, 512},
    {6, 16, 64},     {100, 10, 784},  {8, 64, 256},       {64, 64, 64},       {128, 128, 128},
    {256, 256, 256}, {512, 512, 512}, {1000, 1000, 1000}, {1024, 1024, 1024}, {196, 512, 4608}};

#define EACH(list) for (size_t i = 0; i < sizeof list / sizeof *list; i++)
#define RUN_MAP(name, T, S)                                                                        \
    if (wanted(#name "_" #S))                                                                      \
        for (size_t length = 1; length <= 1 << 16; length *= 16) {                                 \
            operands o = {.m = 1, .n = 1, .k = length};                                            \
            o.a = filled(length, sizeof(T) == 8);                                                  \
            o.c = filled(length, sizeof(T) == 8);                                                  \
            measure(#name "_" #S, bench_##name##_##S, &o, (double)(2 * length * sizeof(T)),        \
                    "GB/s");                                                                       \
            free(o.a);                                                                             \
            free(o.c);                                                                             \
        }
#define RUN(T, S, L)                                                                               \
    static void run_##S(void) {                                                                    \
        const int wide = sizeof(T) == 8;                                                           \
        if (wanted("dot_" #S))                                                                     \
            EACH(lengths) {                                                                        \
                operands o = {.m = 1, .n = 1, .k = lengths[i]};                                    \
                o.a = filled(o.k, wide);                                                           \
                o.b = filled(o.k, wide);                                                           \
                measure("dot_" #S, bench_dot_##S, &o, (double)(2 * o.k * sizeof(T)), "GB/s");      \
                free(o.a);                                                                         \
                free(o.b);                                                                         \
            }                                                                                      \
        if (wanted("matvec_" #S))                                                                  \
            EACH(matrices) {                                                                       \
                operands o = {.m = 1, .n = matrices[i][0], .k = matrices[i][1]};                   \
                o.a = filled(o.k, wide);                                                           \
                o.b = filled(o.n * o.k, wide);                                                     \
                o.c = filled(o.n, wide);                                                           \
                measure("matvec_" #S, bench_matvec_##S, &o, (double)(o.n * o.k * sizeof(T)),       \
                        "GB/s");                                                                   \
                free(o.a);                                                                         \
                free(o.b);                                                                         \
                free(o.c);                                                                         \
            }                                                                                      \
        if (wanted("gemm_packed_" #S))                                                             \
            EACH(products) {                                                                       \
                operands o = {.m = products[i][0], .n = products[i][1], .k = products[i][2]};      \
                size_t size;                                                                       \
                if (!infer_pack_size(o.k, o.n, &size))                                             \
                    continue;                                                                      \
                o.a = filled(o.m * o.k, wide);                                                     \
                o.b = filled(o.k * o.n, wide);                                                     \
                o.c = filled(o.m * o.n, wide);                                                     \
                o.packed = filled(size, wide);                                                     \
                infer_pack_b_##S(o.k, o.n, o.b, o.n, 0, o.packed);                                 \
                measure("gemm_packed_" #S, bench_gemm_packed_##S, &o,                              \
                        2 * (double)o.m * (double)o.n * (double)o.k, "GFLOP/s");                   \
                free(o.a);                                                                         \
                free(o.b);                                                                         \
                free(o.c);                                                                         \
                free(o.packed);                                                                    \
            }                                                                                      \
        MAP_NAMES(RUN_MAP, T, S)                                                                   \
    }
TYPES(RUN)

/* Channels, outputs, places an axis, taps an axis, stride: layers of well-known networks. */
static const size_t layers[][5] = {
    {3, 64, 224, 7, 2},   {64, 64, 56, 3, 1},  {128, 128, 28, 3, 1},  {256, 256, 14, 3, 1},
    {512, 512, 7, 3, 1},  {64, 256, 56, 1, 1}, {1024, 256, 14, 1, 1}, {128, 128, 56, 3, 2},
    {512, 2048, 7, 1, 1}, {144, 144, 56, 3, 1}};

static void run_layer(const size_t *l, const char *name, bench_fn *f, int depthwise) {
    infer_conv2d c = {.channels = l[0],
                      .outputs = l[1],
                      .group = depthwise ? l[0] : 1,
                      .plain = l[0] < 16,
                      .winograd = strstr(name, "winograd") != NULL,
                      .act = {.low = 0, .high = 1e30f}};
    for (int axis = 0; axis < 2; axis++) {
        c.in[axis] = l[2];
        c.kernel[axis] = l[3];
        c.stride[axis] = l[4];
        c.dilation[axis] = 1;
        c.before[axis] = c.after[axis] = l[3] / 2;
        c.out[axis] = (l[2] - 1) / l[4] + 1;
    }
    operands o = {
        .m = l[1], .n = c.out[0] * c.out[1], .k = l[0] / c.group * l[3] * l[3], .conv = &c};
    size_t size, panels = (l[1] + 15) / 16 * 16;
    int winograd = strstr(name, "winograd") != NULL;
    if (!infer_conv_pack_size(&c, &size) || (winograd && !infer_conv_is_winograd(&c)))
        return;
    float *w = filled(o.m * o.k, 0);
    o.a = filled((l[0] + 15) / 16 * 16 * l[2] * l[2], 0);
    o.packed = filled(size, 0);
    o.b = filled(panels, 0);
    o.c = filled(panels * o.n, 0);
    o.scratch = filled(winograd ? infer_winograd_scratch(&c) : INFER_CONV_SCRATCH, 0);
    infer_conv_pack(&c, w, NULL, o.packed);
    measure(name, f, &o, 2 * (double)o.m * (double)o.n * (double)o.k, "GFLOP/s");
    free(w);
    free(o.a);
    free(o.packed);
    free(o.b);
    free(o.c);
    free(o.scratch);
}

static void run_layers(void) {
    if (wanted("conv_blocked_f32"))
        EACH(layers)
    run_layer(layers[i], "conv_blocked_f32", bench_conv_blocked_f32, 0);
    if (wanted("conv_winograd_f32"))
        EACH(layers)
    run_layer(layers[i], "conv_winograd_f32", bench_conv_winograd_f32, 0);
    if (wanted("conv_depthwise_f32"))
        EACH(layers)
    if (layers[i][0] == layers[i][1])
        run_layer(layers[i], "conv_depthwise_f32", bench_conv_depthwise_f32, 1);
}

/* Queries, keys, size: heads of well-known models, and of one that decodes. */
static const size_t heads[][3] = {{16, 16, 32},     {128, 128, 64}, {512, 512, 64},
                                  {2048, 2048, 64}, {197, 197, 64}, {2048, 2048, 128},
                                  {1, 128, 64},     {1, 4096, 128}, {1, 1 << 17, 128}};

static void run_halves(void) {
    EACH(products) {
        operands o = {.m = products[i][0], .n = products[i][1], .k = products[i][2]};
        if (!wanted("gemm_half_f32"))
            continue;
        const size_t panels = (o.n + INFER_PANEL - 1) / INFER_PANEL;
        o.a = filled(o.m * o.k, 0);
        o.packed = filled(panels * INFER_PANEL * o.k / 2, 0);
        o.c = filled(o.m * o.n, 0);
        o.scratch = filled(INFER_HALF_SCRATCH / sizeof(float), 0);
        measure("gemm_half_f32", bench_gemm_half_f32, &o,
                2 * (double)o.m * (double)o.n * (double)o.k, "GFLOP/s");
        free(o.a);
        free(o.packed);
        free(o.c);
        free(o.scratch);
    }
}

static void run_heads(void) {
    EACH(heads) {
        operands o = {.m = heads[i][0], .n = heads[i][1], .k = heads[i][2]};
        infer_attend_room room;
        size_t floats;
        if (!wanted("attend_f32") || !infer_attend_scratch(o.m, o.n, o.k, o.k, &room, &floats))
            continue;
        o.a = filled(o.m * o.k, 0);
        o.b = filled(o.n * o.k, 0);
        o.packed = filled(o.n * o.k, 0);
        o.c = filled(o.m * o.k, 0);
        o.scratch = filled(floats, 0);
        o.attend = &(infer_attend){.queries = o.m,
                                   .keys = o.n,
                                   .size = o.k,
                                   .value_size = o.k,
                                   .ldq = o.k,
                                   .ldk = o.k,
                                   .ldv = o.k,
                                   .ldy = o.k,
                                   .q = o.a,
                                   .k = o.b,
                                   .v = o.packed,
                                   .y = o.c,
                                   .scale = 0.125f,
                                   .few = o.m == 1};
        if (o.m == 1)
            measure("attend_f32", bench_attend_f32, &o, 8 * (double)o.n * (double)o.k, "GB/s");
        else
            measure("attend_f32", bench_attend_f32, &o, 4 * (double)o.m * (double)o.n * (double)o.k,
                    "GFLOP/s");
        free(o.a);
        free(o.b);
        free(o.packed);
        free(o.c);
        free(o.scratch);
    }
}

int main(int argc, char **argv) {
    int quick = 0;
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--json") == 0 && i + 1 < argc)
            json = fopen(argv[++i], "w");
        else if (strcmp(argv[i], "--quick") == 0)
            quick = 1;
        else
            prefix = argv[i];
    add_variants(quick);
    if (json)
        fprintf(json, "{\"openblas_core\": \"%s\", \"rows\": [", blas_core);
    printf("%-16s %5s %5s %8s %-7s   time of a call and rate, each variant\n", "kernel", "m", "n",
           "k", "rate");
    run_f32();
    run_f64();
    run_layers();
    run_heads();
    run_halves();
    if (json) {
        fprintf(json, "\n]}\n");
        fclose(json);
    }
    return 0;
}
