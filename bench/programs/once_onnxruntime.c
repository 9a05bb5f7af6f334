/* Process start to first answer through ONNX Runtime's C API, as once.c does it with libinfer:
 * once_onnxruntime LIBONNXRUNTIME.so MODEL.onnx INPUT OUTPUT OUTPUT_COUNT. */
#define _POSIX_C_SOURCE 200809L
#include "peer.h"
#include "row.h"

int main(int argc, char **argv) {
    peer p;
    float outputs[64];
    size_t m = argc == 6 ? (size_t)atoi(argv[5]) : 0;
    if (m < 1 || m > 64)
        return 2;
    peer_start(&p, argv[1]);
    peer_open(&p, argv[2]);
    peer_bind(&p, argv[3], argv[4], sizeof row / sizeof *row);
    peer_predict(&p, row, outputs, m);
    printf("%.7f\n", (double)outputs[m - 1]);
    peer_close(&p);
    return 0;
}
