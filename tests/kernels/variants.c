/* Tables of kernels, fenced memory, numbers. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */

#include "variants.h"

#include "cpu.h"
#ifdef INFER_TEST_BLAS
#include "openblas.h"
#endif

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* The AVX-512 tier compiled over SIMDe. */
void infer_kernels_avx512_simde(infer_kernels *k);
void infer_kernels_avx512_simde_blocked(infer_kernels *k);
void infer_kernels_avx512_simde_trees(infer_kernels *k);

size_t variants_find(variant *list) {
    static const struct {
        const char *name;
        variant_kind kind;
        uint32_t flags;
    } tiers[] = {
        {"scalar", VARIANT_SCALAR, 0},
        {"avx2", VARIANT_SIMD, INFER_CPU_AVX2},
        {"avx512", VARIANT_SIMD, INFER_CPU_AVX2 | INFER_CPU_AVX512},
        {"avx512-vnni", VARIANT_SIMD, INFER_CPU_AVX2 | INFER_CPU_AVX512 | INFER_CPU_AVX512_VNNI},
        {"avx512-vbmi", VARIANT_SIMD,
         INFER_CPU_AVX2 | INFER_CPU_AVX512 | INFER_CPU_AVX512_VNNI | INFER_CPU_AVX512_VBMI},
        {"avx512-bf16", VARIANT_SIMD,
         INFER_CPU_AVX2 | INFER_CPU_AVX512 | INFER_CPU_AVX512_VNNI | INFER_CPU_AVX512_BF16},
        {"fast-bf16", VARIANT_SIMD,
         INFER_CPU_AVX2 | INFER_CPU_AVX512 | INFER_CPU_AVX512_VNNI | INFER_CPU_AVX512_BF16 |
             INFER_CPU_FAST_BF16},
        {"amx", VARIANT_SIMD,
         INFER_CPU_AVX2 | INFER_CPU_AVX512 | INFER_CPU_AVX512_VNNI | INFER_CPU_AVX512_BF16 |
             INFER_CPU_AMX_BF16},
        {"amx-int8", VARIANT_SIMD,
         INFER_CPU_AVX2 | INFER_CPU_AVX512 | INFER_CPU_AVX512_VNNI | INFER_CPU_AMX_INT8},
        {"neon", VARIANT_SIMD, INFER_CPU_NEON},
    };
    size_t n = 0;
    uint32_t have = infer_cpu_features();
    for (size_t i = 0; i < sizeof tiers / sizeof *tiers; i++)
        if ((have & tiers[i].flags) == tiers[i].flags) {
            list[n] = (variant){.name = tiers[i].name, .kind = tiers[i].kind};
            infer_kernels_init(&list[n].k, tiers[i].flags);
            infer_kernels_init_blocked(&list[n].k, tiers[i].flags);
#ifdef __x86_64__
            if (tiers[i].flags & INFER_CPU_AVX512_BF16) /* also where gathers are slow */
                infer_kernels_avx512_trees(&list[n].k);
#endif
            n++;
        }
#ifdef INFER_TEST_SIMDE
    /* The emulation itself is compiled for AVX2 and FMA. */
    if (have & INFER_CPU_AVX2 && !(have & INFER_CPU_AVX512)) {
        list[n] = (variant){.name = "avx512-simde", .kind = VARIANT_SIMD};
        infer_kernels_init_bytes(&list[n].k, INFER_CPU_AVX2);
        infer_kernels_avx512_simde_trees(&list[n].k);
        infer_kernels_avx512_simde(&list[n].k);
        infer_kernels_avx512_simde_blocked(&list[n++].k);
    }
#endif
#ifdef INFER_TEST_BLAS
    list[n] = (variant){.name = "openblas", .kind = VARIANT_BLAS};
    infer_kernels_init(&list[n].k, 0);
    infer_kernels_init_blocked(&list[n].k, 0);
    if (infer_openblas_install(&list[n].k) == INFER_OK)
        n++;
    else
        printf("skipped: %s\n", infer_last_error());
#endif
    printf("variants:");
    for (size_t i = 0; i < n; i++)
        printf(" %s", list[i].name);
    printf("\n");
    return n;
}

/* ---- fenced memory ---- */

#define SLOT_BYTES  ((size_t)4 << 20)
#define FENCE_BYTES 65536 /* a multiple of every page size in use */
#define GUARD_BYTES 256
#define GUARD       0xa5

static unsigned char *slots[FENCE_SLOTS], *starts[FENCE_SLOTS];

void *fenced(int slot, size_t bytes) {
    if (!slots[slot]) {
        void *p = mmap(NULL, SLOT_BYTES + FENCE_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED || mprotect((char *)p + SLOT_BYTES, FENCE_BYTES, PROT_NONE)) {
            perror("mmap");
            exit(1);
        }
        slots[slot] = p;
    }
    if (bytes > SLOT_BYTES - GUARD_BYTES) {
        printf("a slot is too small for %zu bytes\n", bytes);
        exit(1);
    }
    starts[slot] = slots[slot] + SLOT_BYTES - bytes;
    memset(starts[slot] - GUARD_BYTES, GUARD, GUARD_BYTES);
    return starts[slot];
}

bool fence_holds(int slot) {
    for (size_t i = 1; i <= GUARD_BYTES; i++)
        if (starts[slot][-(ptrdiff_t)i] != GUARD)
            return false;
    return true;
}

/* ---- numbers ---- */

static uint64_t random_state = 1;

static uint32_t next(void) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 32);
}

double number(void) {
    return (double)next() / 2147483648.0 - 1;
}

size_t choose(size_t n) {
    return (size_t)((uint64_t)next() * n >> 32);
}
