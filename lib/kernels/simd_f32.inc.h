/* float as the element type of the templates that follow, and its constants for simd_exp.inc.h. */
#define S        f32
#define T        float
#define LOG2_E   0x1.715476p+0f
#define LN2_HIGH 0x1.62e43p-1f
#define LN2_LOW  -0x1.05c61p-29f
#define EXP_MIN  -104.0f
#define EXP_MAX  89.0f
#define TANH_MAX 20.0f
#define EXP_POLYNOMIAL                                                                             \
    { 0x1.fffffcp-2f, 0x1.555492p-3f, 0x1.5558f2p-5f, 0x1.1239d4p-7f, 0x1.6a244cp-10f }
#define ERF_MAX   4.0f
#define BELOW_ONE 0x1.fffffep-1f
#define ERF_SMALL                                                                                  \
    {                                                                                              \
        0x1.06eba8p-3f, -0x1.81273ep-2f, 0x1.ce2cf6p-4f, -0x1.b7f8f2p-6f, 0x1.5404e4p-8f,          \
            -0x1.a3f172p-11f, 0x1.495bcp-14f                                                       \
    }
#define ERF_LARGE                                                                                  \
    {                                                                                              \
        0x1.d97fcp+0f, 0x1.51c9bp+1f, 0x1.afabbap-1f, 0x1.547d66p-5f, -0x1.49376ap-7f,             \
            0x1.07c4fp-9f, -0x1.2fcf62p-12f, 0x1.6c7b8p-16f                                        \
    }
