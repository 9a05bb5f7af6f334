/* The recurrent cells in double. */
#include "real.h"

#define REAL double
#define S    f64
#include "rnn.inc.h"
