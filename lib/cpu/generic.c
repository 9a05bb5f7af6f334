/* No flags: an architecture without kernels of its own runs the scalar reference. */
#include "cpu.h"

uint32_t infer_cpu_detect(void) {
    return 0;
}
