/* The least that a function of AWS Lambda does: asks for an event, and sends an answer. */
#define _POSIX_C_SOURCE 200809L
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static const char poll[] = "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: api\r\n\r\n";
static const char answer[] = "POST /2018-06-01/runtime/invocation/one/response HTTP/1.1\r\n"
                             "Host: api\r\nContent-Length: 2\r\n\r\n{}";

int main(void) {
    static char event[65536];
    const char *api = getenv("AWS_LAMBDA_RUNTIME_API"), *colon = api ? strchr(api, ':') : NULL;
    if (!colon)
        return 2;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)atoi(colon + 1)),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int connection = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(connection, (struct sockaddr *)&address, sizeof address) != 0 ||
        send(connection, poll, sizeof poll - 1, 0) < 0 ||
        recv(connection, event, sizeof event, 0) <= 0 ||
        send(connection, answer, sizeof answer - 1, 0) < 0)
        return 1;
    return recv(connection, event, sizeof event, 0) < 0;
}
