#!/bin/sh
# Compiles the kernels and their tests for AArch64 and runs them under an emulator:
# run_aarch64.sh SOURCE_ROOT BUILD_DIR. Exit status 77 where compiler or emulator are missing.
set -eu
root=$1
out=$2/aarch64
compiler=${AARCH64_CC:-aarch64-linux-gnu-gcc}
emulator=${AARCH64_RUN:-qemu-aarch64}
for tool in "$compiler" "$emulator"; do
    if ! command -v "$tool" >/dev/null; then
        echo "skipped: no $tool"
        exit 77
    fi
done
mkdir -p "$out"
lib=$root/lib
here=$root/tests/kernels
for name in test_products test_functions test_conv test_winograd test_attention test_bytes test_trees; do
    "$compiler" -std=c11 -O3 -Wall -Wextra -Werror -static -fno-math-errno \
        -fno-trapping-math -ffp-contract=off -DINFER_TEST_PLAIN -DINFER_TEST_SWEEP=100000 \
        -I"$root/include" -I"$lib/base" -I"$lib/cpu" -I"$lib/kernels" -I"$here" \
        "$here/$name.c" "$here/variants.c" "$lib/cpu/features.c" "$lib/cpu/aarch64.c" \
        "$lib/kernels/dispatch.c" "$lib/kernels/dispatch_blocked.c" "$lib/kernels/dispatch_bytes.c" "$lib/kernels/scalar.c" "$lib/kernels/scalar_bytes.c" "$lib/kernels/scalar_conv.c" "$lib/kernels/scalar_trees.c" "$lib/kernels/conv_line.c" "$lib/kernels/conv_pack.c" \
        "$lib/kernels/neon.c" "$lib/kernels/neon_blocked.c" "$lib/kernels/neon_bytes.c" \
        "$lib/kernels/pack.c" -lm -o "$out/$name"
    "$emulator" "$out/$name"
done
