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

compile() {
    "$compiler" -std=c11 -O3 -Wall -Wextra -Werror -fno-math-errno -fno-trapping-math -ffp-contract=off \
        -DINFER_TEST_PLAIN -DINFER_TEST_SWEEP=100000 \
        -I"$root/include" -I"$lib/base" -I"$lib/cpu" -I"$lib/kernels" -I"$here" -c "$1" -o "$out/$(basename "$1" .c).o"
}

set --
for name in cpu/features cpu/aarch64 kernels/dispatch kernels/dispatch_blocked kernels/dispatch_bytes kernels/scalar \
    kernels/scalar_bytes kernels/scalar_conv kernels/scalar_trees kernels/conv_line kernels/conv_pack kernels/neon \
    kernels/neon_blocked kernels/neon_bytes kernels/pack; do
    compile "$lib/$name.c"
    set -- "$@" "$out/$(basename $name).o"
done
compile "$here/variants.c"
for name in test_products test_functions test_conv test_blocks test_winograd test_attention test_bytes test_trees; do
    compile "$here/$name.c"
    "$compiler" -static "$out/$name.o" "$out/variants.o" "$@" -lm -o "$out/$name"
    "$emulator" "$out/$name"
done
