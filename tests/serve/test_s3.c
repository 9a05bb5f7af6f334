/* Requests to S3: signatures that AWS published, hosts and paths of objects, names in events. */
#define _POSIX_C_SOURCE 200809L
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "s3.h"
#include "sigv4.h"

/* ---- signatures ---- */

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* The examples in "Authenticating Requests: Using the Authorization Header" of the S3 reference. */
static void signatures_of_s3(void **state) {
    static const char welcome[] =
        "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
    static const struct {
        const char *method, *path, *query, *payload, *signature;
        infer_sigv4_header headers[5];
        size_t count;
    } cases[] = {
        {"GET",
         "/test.txt",
         "",
         EMPTY,
         "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
         {{"host", "examplebucket.s3.amazonaws.com"},
          {"range", "bytes=0-9"},
          {"x-amz-content-sha256", EMPTY},
          {"x-amz-date", "20130524T000000Z"}},
         4},
        {"PUT",
         "/test%24file.text",
         "",
         welcome,
         "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
         {{"date", "Fri, 24 May 2013 00:00:00 GMT"},
          {"host", "examplebucket.s3.amazonaws.com"},
          {"x-amz-content-sha256", welcome},
          {"x-amz-date", "20130524T000000Z"},
          {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
         5},
        {"GET",
         "/",
         "lifecycle=",
         EMPTY,
         "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
         {{"host", "examplebucket.s3.amazonaws.com"},
          {"x-amz-content-sha256", EMPTY},
          {"x-amz-date", "20130524T000000Z"}},
         3},
        {"GET",
         "/",
         "max-keys=2&prefix=J",
         EMPTY,
         "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
         {{"host", "examplebucket.s3.amazonaws.com"},
          {"x-amz-content-sha256", EMPTY},
          {"x-amz-date", "20130524T000000Z"}},
         3},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const infer_sigv4 request = {.key = "AKIAIOSFODNN7EXAMPLE",
                                     .secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                                     .region = "us-east-1",
                                     .service = "s3",
                                     .date = "20130524T000000Z",
                                     .method = cases[i].method,
                                     .path = cases[i].path,
                                     .query = cases[i].query,
                                     .headers = cases[i].headers,
                                     .header_count = cases[i].count,
                                     .payload = cases[i].payload};
        char got[600];
        assert_true(infer_sigv4_sign(&request, got, sizeof got));
        assert_string_equal(strstr(got, "Signature=") + 10, cases[i].signature);
        assert_non_null(strstr(got, "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/"
                                    "aws4_request, SignedHeaders="));
    }
}

/* Of AWS's test suite for version 4, with a service and a host of its own. */
static void signatures_of_the_suite(void **state) {
    static const struct {
        const char *method, *path, *query, *signature;
    } cases[] = {
        {"GET", "/", "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
        {"POST", "/", "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
        {"GET", "/", "Param1=value1&Param2=value2",
         "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
        {"GET", "/%E1%88%B4", "",
         "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
        {"GET", "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", "",
         "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
    };
    static const infer_sigv4_header headers[] = {{"host", "example.amazonaws.com"},
                                                 {"x-amz-date", "20150830T123600Z"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const infer_sigv4 request = {.key = "AKIDEXAMPLE",
                                     .secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                                     .region = "us-east-1",
                                     .service = "service",
                                     .date = "20150830T123600Z",
                                     .method = cases[i].method,
                                     .path = cases[i].path,
                                     .query = cases[i].query,
                                     .headers = headers,
                                     .header_count = 2,
                                     .payload = EMPTY};
        char got[600];
        assert_true(infer_sigv4_sign(&request, got, sizeof got));
        assert_string_equal(strstr(got, "Signature=") + 10, cases[i].signature);
        /* Whatever the room, nothing is written past it. */
        for (size_t room = 0; room <= strlen(got); room++) {
            char *small = malloc(room + 1);
            assert_false(infer_sigv4_sign(&request, small, room));
            free(small);
        }
    }
}

static void hashes(void **state) {
    char hash[INFER_SIGV4_HASH];
    (void)state;
    assert_true(infer_sigv4_hash("", 0, hash));
    assert_string_equal(hash, EMPTY);
    assert_true(infer_sigv4_hash("abc", 3, hash));
    assert_string_equal(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

/* ---- places ---- */

static void places_of_aws(void **state) {
    static const struct {
        infer_s3_object object;
        const char *host, *target, *query;
    } cases[] = {
        {{"data", "eu-west-1", "a/b c.json", ""},
         "data.s3.eu-west-1.amazonaws.com",
         "/a/b%20c.json",
         ""},
        {{"my.data", "eu-west-1", "k", ""}, "s3.eu-west-1.amazonaws.com", "/my.data/k", ""},
        {{"Old_Data", "us-east-1", "k", ""}, "s3.us-east-1.amazonaws.com", "/Old_Data/k", ""},
        {{"data", "cn-north-1", "k", ""}, "data.s3.cn-north-1.amazonaws.com.cn", "/k", ""},
        {{"data", "", "k", ""}, "data.s3.ap-south-1.amazonaws.com", "/k", ""},
        {{"data", "us-east-1", "/\xc3\xa4+%", "a/=b"},
         "data.s3.us-east-1.amazonaws.com",
         "//%C3%A4%2B%25",
         "versionId=a%2F%3Db"},
    };
    (void)state;
    unsetenv("AWS_ENDPOINT_URL");
    unsetenv("AWS_ENDPOINT_URL_S3");
    setenv("AWS_REGION", "ap-south-1", 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        infer_s3_place place;
        infer_serve_error error;
        assert_true(infer_s3_find(&cases[i].object, &place, &error));
        assert_true(place.tls && place.port == 443);
        assert_string_equal(place.host, cases[i].host);
        assert_string_equal(place.authority, cases[i].host);
        assert_string_equal(place.target, cases[i].target);
        assert_string_equal(place.query, cases[i].query);
    }
}

static void places_of_endpoints(void **state) {
    static const struct {
        const char *url, *host, *authority;
        int port;
        bool tls;
    } cases[] = {
        {"http://localhost", "localhost", "localhost", 80, false},
        {"https://minio.example:9000/", "minio.example", "minio.example:9000", 9000, true},
        {"http://[::1]:5005", "::1", "[::1]:5005", 5005, false},
        {"https://[::1]", "::1", "[::1]", 443, true},
    };
    static const infer_s3_object object = {"data", "us-east-1", "k", ""};
    infer_s3_place place;
    infer_serve_error error;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        setenv("AWS_ENDPOINT_URL", "http://other", 1);
        setenv("AWS_ENDPOINT_URL_S3", cases[i].url, 1);
        assert_true(infer_s3_find(&object, &place, &error));
        assert_string_equal(place.host, cases[i].host);
        assert_string_equal(place.authority, cases[i].authority);
        assert_string_equal(place.target, "/data/k");
        assert_int_equal(place.port, cases[i].port);
        assert_int_equal(place.tls, cases[i].tls);
    }
    unsetenv("AWS_ENDPOINT_URL_S3");
    assert_true(infer_s3_find(&object, &place, &error));
    assert_string_equal(place.host, "other");
    static const char *const wrong[] = {"localhost",      "ftp://h",     "http://",    "http:///",
                                        "http://h/p",     "http://h:",   "http://h:x", "http://h:0",
                                        "http://h:65536", "http://[::1", "http://[]",  "http://a]",
                                        "http://h h",     "http://u@h"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        setenv("AWS_ENDPOINT_URL", wrong[i], 1);
        assert_false(infer_s3_find(&object, &place, &error));
    }
    unsetenv("AWS_ENDPOINT_URL");
    /* The longest names fit. */
    infer_s3_object longest = {.bucket = "", .region = "us-east-1"};
    memset(longest.bucket, 'B', sizeof longest.bucket - 1);
    memset(longest.key, ' ', sizeof longest.key - 1);
    memset(longest.version, ' ', sizeof longest.version - 1);
    assert_true(infer_s3_find(&longest, &place, &error));
    assert_int_equal(strlen(place.target), 1 + 255 + 1 + 3 * 1024);
    assert_int_equal(strlen(place.query), 10 + 3 * 1024);
}

/* ---- answers ---- */

static void outputs(void **state) {
    static const infer_s3_object object = {"data", "us-east-1", "in/k.csv", "v"};
    infer_s3_object output;
    (void)state;
    assert_true(infer_s3_output("s3://results/a/", &object, &output));
    assert_string_equal(output.bucket, "results");
    assert_string_equal(output.key, "a/in/k.csv.json");
    assert_string_equal(output.version, "");
    assert_true(infer_s3_output("s3://results/", &object, &output));
    assert_string_equal(output.key, "in/k.csv.json");
    assert_false(infer_s3_output("s3://results", &object, &output));
    assert_false(infer_s3_output("results/x", &object, &output));
    assert_true(infer_s3_is_output("s3://data/in/", &object));
    assert_true(infer_s3_is_output("s3://data/in", &object));
    assert_true(infer_s3_is_output("s3://data/", &object));
    assert_false(infer_s3_is_output("s3://data/out/", &object));
    assert_false(infer_s3_is_output("s3://other/in/", &object));
    infer_s3_object longest = {.bucket = "data"};
    memset(longest.key, 'k', sizeof longest.key - 1);
    assert_false(infer_s3_output("s3://results/", &longest, &output));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signatures_of_s3),
        cmocka_unit_test(signatures_of_the_suite),
        cmocka_unit_test(hashes),
        cmocka_unit_test(places_of_aws),
        cmocka_unit_test(places_of_endpoints),
        cmocka_unit_test(outputs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
