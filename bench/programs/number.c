/* What any program needs that computes a number and prints it: the C library and its mathematics.
 */
#include <math.h>
#include <stdio.h>

int main(int argc, char **argv) {
    (void)argv;
    printf("%.7f\n", exp(-argc));
    return 0;
}
