/* What the recurrent operators know of one node: its shapes, activations and places of scratch. */
#ifndef INFER_OPS_RNN_H
#define INFER_OPS_RNN_H

#include "op.h"

#define INFER_RNN_FUNCTIONS 3 /* of one direction at most: f, g, h */

/* X(name, alpha, beta: whether it consumes them, and their defaults) */
#define INFER_RNN_ACTIVATIONS(X)                                                                   \
    X(Sigmoid, 0, 0, 0, 0)                                                                         \
    X(Tanh, 0, 0, 0, 0)                                                                            \
    X(Relu, 0, 0, 0, 0)                                                                            \
    X(Affine, 1, 1.0f, 1, 0.0f)                                                                    \
    X(LeakyRelu, 1, 0.01f, 0, 0)                                                                   \
    X(ThresholdedRelu, 1, 1.0f, 0, 0)                                                              \
    X(ScaledTanh, 1, 1.0f, 1, 1.0f)                                                                \
    X(HardSigmoid, 1, 0.2f, 1, 0.5f)                                                               \
    X(Elu, 1, 1.0f, 0, 0)                                                                          \
    X(Softsign, 0, 0, 0, 0)                                                                        \
    X(Softplus, 0, 0, 0, 0)

enum infer_rnn_activation {
#define ACTIVATION(name, has_alpha, alpha, has_beta, beta) INFER_RNN_##name,
    INFER_RNN_ACTIVATIONS(ACTIVATION)
#undef ACTIVATION
};

typedef struct infer_rnn_function {
    enum infer_rnn_activation kind;
    float alpha, beta;
} infer_rnn_function;

typedef enum infer_rnn_cell { INFER_RNN_PLAIN, INFER_RNN_LSTM, INFER_RNN_GRU } infer_rnn_cell;

typedef struct infer_rnn {
    infer_rnn_cell cell;
    size_t gates, directions, steps, batch, input, hidden;
    bool batch_first; /* layout 1 */
    bool reverse, coupled,
        late_reset; /* of a single direction; input_forget; linear_before_reset */
    double clip;    /* infinity: none */
    infer_rnn_function functions[2][INFER_RNN_FUNCTIONS];
    /* How the products are done: with weights packed, or as they lie where rows are few. */
    bool packed; /* while loading already */
    bool pack_w, pack_r;
    size_t w_elements, r_elements; /* of a direction, packed */
    size_t chunk;                  /* steps whose inputs are multiplied together */
    /* The samples are cut into so many groups, which know nothing of each other. Each direction of
     * each is a part, and so many parts run at once: one, which then shares its products, or all.
     */
    size_t groups, at_once;
    /* Where things lie in the scratch of a part. */
    size_t w_at, r_at, x_at, z_at, rec_at, h_at, c_at, reset_at, bias_at, bytes_at, size;
    const infer_op_env *bytes; /* of DynamicQuantizeLSTM; NULL: weights are real numbers */
} infer_rnn;

/* All of it (rnn_f32.c, rnn_f64.c). */
infer_status infer_rnn_f32(infer_op_env *env, const infer_rnn *p);
infer_status infer_rnn_f64(infer_op_env *env, const infer_rnn *p);

/* Constant weights W and R are packed while the model is loaded, and the node becomes what reads
 * them so (rnn_pack.c). */
infer_status infer_rnn_prepare(infer_rewriter *rw, infer_rnn_cell cell, const char *become);

/* ---- 8-bit weights (rnn_bytes.c) ---- */

/* side 0 is W, 1 is R: [directions][k rows][n columns], or packed, [directions][bytes]. */

/* How what they multiply is quantized. */
typedef struct infer_rnn_range {
    float scale;
    uint8_t zero;
} infer_rnn_range;

/* Bytes of a direction's packed weights and the sums of their columns; false: more than memory. */
bool infer_rnn_bytes_size(size_t k, size_t n, size_t *bytes);
/* Refuses scales and zero points that do not fit. */
infer_status infer_rnn_bytes_check(const infer_op_env *env, bool packed, int64_t directions,
                                   int64_t width);
/* A direction's weights, packed, and the sums of their columns. */
void infer_rnn_bytes_pack(const infer_kernels *kernels, const infer_view *weights, size_t number,
                          void *packed);
/* Constant weights are packed while the model is loaded. */
infer_status infer_rnn_bytes_prepare(infer_rewriter *rw);
/* The range of n numbers; of all inputs. */
infer_rnn_range infer_rnn_bytes_range(const infer_op_env *env, const float *x, size_t n);
infer_rnn_range infer_rnn_bytes_inputs(const infer_op_env *env);
/* c = a [rows][k] * weights [k][n] + bias (NULL: none). room: for a's numbers as bytes, and behind,
 * aligned, for c's as integers. shared: whose threads share the work; NULL: this one does it. */
void infer_rnn_bytes_multiply(const infer_op_env *env, infer_op_env *shared, int side,
                              size_t number, size_t rows, size_t k, size_t n, const float *a,
                              infer_rnn_range range, const void *packed, const float *bias,
                              void *room, float *c);

#endif
