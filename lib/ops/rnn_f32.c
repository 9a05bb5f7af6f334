/* The recurrent cells in float. */
#include "real.h"

#define REAL float
#define S    f32
#include "rnn.inc.h"
