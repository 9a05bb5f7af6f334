/* OpenBLAS as a provider: opened at the first call that asks for it, or linked where so configured.
 */
#include "openblas.h"

#include "status.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

enum { ROW_MAJOR = 101, NO_TRANS = 111 }; /* CBLAS_ORDER, CBLAS_TRANSPOSE */

/* X(type, suffix of ours, letter of BLAS) */
#define TYPES(X) X(float, f32, s) X(double, f64, d)

/* BLAS counts in int. */
#define FITS(n) ((n) <= 0x7fffffff)

#define DECLARE(T, S, L)                                                                           \
    typedef T (*dot_type_##S)(int, const T *, int, const T *, int);                                \
    typedef void (*gemv_type_##S)(int, int, int, int, T, const T *, int, const T *, int, T, T *,   \
                                  int);                                                            \
    typedef void (*gemm_type_##S)(int, int, int, int, int, int, T, const T *, int, const T *, int, \
                                  T, T *, int);                                                    \
    static dot_type_##S blas_dot_##S;                                                              \
    static gemv_type_##S blas_gemv_##S;                                                            \
    static gemm_type_##S blas_gemm_##S;
TYPES(DECLARE)

#define PROVIDE(T, S, L)                                                                           \
    static T provided_dot_##S(const T *a, const T *b, size_t n) {                                  \
        T sum = 0;                                                                                 \
        for (; n > 0x40000000; a += 0x40000000, b += 0x40000000, n -= 0x40000000)                  \
            sum += blas_dot_##S(0x40000000, a, 1, b, 1);                                           \
        return sum + blas_dot_##S((int)n, a, 1, b, 1);                                             \
    }                                                                                              \
    static void provided_matvec_##S(size_t n, size_t k, const T *w, size_t ldw, const T *x,        \
                                    const T *bias, T *y) {                                         \
        for (size_t r = 0; r < n; r++)                                                             \
            y[r] = bias ? bias[r] : 0;                                                             \
        if (n == 0 || k == 0)                                                                      \
            return;                                                                                \
        if (FITS(n) && FITS(k) && FITS(ldw))                                                       \
            blas_gemv_##S(ROW_MAJOR, NO_TRANS, (int)n, (int)k, 1, w, (int)ldw, x, 1, 1, y, 1);     \
        else                                                                                       \
            for (size_t r = 0; r < n; r++)                                                         \
                y[r] += provided_dot_##S(w + r * ldw, x, k);                                       \
    }                                                                                              \
    static void provided_gemm_packed_##S(size_t m, size_t n, size_t k, const T *a, size_t lda,     \
                                         const T *packed, const T *bias, T *c, size_t ldc) {       \
        for (size_t first = 0; first < n; first += INFER_PANEL, packed += k * INFER_PANEL) {       \
            size_t width = n - first < INFER_PANEL ? n - first : INFER_PANEL;                      \
            for (size_t i = 0; i < m; i++)                                                         \
                for (size_t j = 0; j < width; j++)                                                 \
                    c[i * ldc + first + j] = bias ? bias[first + j] : 0;                           \
            /* Rows one by one where a count does not fit an int. */                               \
            bool whole = FITS(m) && FITS(k) && FITS(lda) && FITS(ldc);                             \
            for (size_t i = 0; k && i < m; i += whole ? m : 1)                                     \
                for (size_t l = 0; l < k; l += 0x40000000) {                                       \
                    size_t depth = k - l < 0x40000000 ? k - l : 0x40000000;                        \
                    blas_gemm_##S(ROW_MAJOR, NO_TRANS, NO_TRANS, whole ? (int)m : 1, (int)width,   \
                                  (int)depth, 1, a + i * lda + l, whole ? (int)lda : (int)depth,   \
                                  packed + l * INFER_PANEL, INFER_PANEL, 1, c + i * ldc + first,   \
                                  whole ? (int)ldc : (int)width);                                  \
                }                                                                                  \
        }                                                                                          \
    }
TYPES(PROVIDE)

/* ---- finding it ---- */

static bool found;
static char reason[200];

#ifdef INFER_BLAS_LINKED

#define EXTERN(T, S, L)                                                                            \
    extern T cblas_##L##dot(int, const T *, int, const T *, int);                                  \
    extern void cblas_##L##gemv(int, int, int, int, T, const T *, int, const T *, int, T, T *,     \
                                int);                                                              \
    extern void cblas_##L##gemm(int, int, int, int, int, int, T, const T *, int, const T *, int,   \
                                T, T *, int);
TYPES(EXTERN)

static void find(void) {
#define LINKED(T, S, L)                                                                            \
    blas_dot_##S = cblas_##L##dot;                                                                 \
    blas_gemv_##S = cblas_##L##gemv;                                                               \
    blas_gemm_##S = cblas_##L##gemm;
    TYPES(LINKED)
    found = true;
}

#else

#include <dlfcn.h>

static void find(void) {
    void *library = dlopen("libopenblas.so.0", RTLD_LAZY | RTLD_LOCAL);
    void *symbol;
    found = library != NULL;
#define SYMBOL(field, name)                                                                        \
    symbol = found ? dlsym(library, name) : NULL;                                                  \
    found = symbol != NULL;                                                                        \
    memcpy(&field, &symbol, sizeof symbol);
#define RESOLVE(T, S, L)                                                                           \
    SYMBOL(blas_dot_##S, "cblas_" #L "dot")                                                        \
    SYMBOL(blas_gemv_##S, "cblas_" #L "gemv")                                                      \
    SYMBOL(blas_gemm_##S, "cblas_" #L "gemm")
    TYPES(RESOLVE)
    if (!found) {
        const char *why = dlerror();
        strncpy(reason, why ? why : "a function is missing", sizeof reason - 1);
    }
}

#endif

infer_status infer_openblas_install(infer_kernels *k) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find);
    if (!found)
        return infer_fail(INFER_ERROR_UNSUPPORTED, "OpenBLAS: %s", reason);
#define INSTALL(T, S, L)                                                                           \
    k->dot_##S = provided_dot_##S;                                                                 \
    k->matvec_##S = provided_matvec_##S;                                                           \
    k->gemm_packed_##S = provided_gemm_packed_##S;
    TYPES(INSTALL)
    return INFER_OK;
}
