/* Templates over float and double (*.inc.h): they are included once with REAL float and S f32, once
 * with REAL double and S f64, and undefine both. */
#ifndef INFER_OPS_REAL_H
#define INFER_OPS_REAL_H

#define REAL_JOIN_(a, b) a##_##b
#define REAL_JOIN(a, b)  REAL_JOIN_(a, b)
#define NAME(name)       REAL_JOIN(name, S)

#endif
