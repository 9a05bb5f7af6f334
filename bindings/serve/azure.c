/* Azure Functions' custom handler: the host posts invocations, or passes HTTP requests on.
 *
 * The host tries base64 on every string among the outputs, so answers are objects there. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core.h"
#include "http_common.h"

/* What function.json says of a function. */
typedef struct function {
    char name[100];
    char trigger[100]; /* the trigger's binding, "" where unknown */
    char output[100];  /* the binding for answers; "$return" is ReturnValue */
    bool is_http, is_timer;
} function;

/* ---- bindings ---- */

static void copy(char *to, size_t room, const char *from) {
    snprintf(to, room, "%s", from ? from : "");
}

static void read_bindings(const json_t *bindings, function *f) {
    size_t i;
    json_t *binding;
    json_array_foreach(bindings, i, binding) {
        const char *type = json_string_value(json_object_get(binding, "type"));
        const char *name = json_string_value(json_object_get(binding, "name"));
        const char *direction = json_string_value(json_object_get(binding, "direction"));
        size_t size = type ? strlen(type) : 0;
        if (size > 7 && strcasecmp(type + size - 7, "Trigger") == 0) {
            copy(f->trigger, sizeof f->trigger, name);
            f->is_http = strcasecmp(type, "httpTrigger") == 0;
            f->is_timer = strcasecmp(type, "timerTrigger") == 0;
        } else if (direction && strcasecmp(direction, "out") == 0 && !*f->output) {
            copy(f->output, sizeof f->output, name);
        }
    }
}

static bool is_name(const char *name) {
    size_t size = strlen(name);
    for (const char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '-' && *c != '_')
            return false;
    return size > 0 && size < sizeof((function *)0)->name;
}

/* The host starts the handler in the folder that has a folder for each function. The file lies in
 * the page cache: reading it costs a few microseconds, and nothing is shared among threads. */
static void find_function(const char *name, function *found) {
    char path[140];
    *found = (function){0};
    copy(found->name, sizeof found->name, name);
    snprintf(path, sizeof path, "%s/function.json", name);
    json_t *file = json_load_file(path, 0, NULL);
    read_bindings(json_object_get(file, "bindings"), found);
    json_decref(file);
}

/* ---- payloads ---- */

typedef struct payload {
    infer_serve_body body;
    json_t *json; /* owned; else the body counts */
    char *bytes;  /* what the body lies in, owned */
} payload;

static bool decode(payload *p, const char *text, size_t size) {
    p->bytes = malloc(size + 1);
    if (p->bytes && size && infer_serve_base64(text, size, p->bytes, &p->body.size)) {
        p->body.data = p->bytes;
        return true;
    }
    free(p->bytes);
    p->bytes = NULL;
    return false;
}

static const char *find_header(const json_t *headers, const char *name) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)headers, key, value) {
        const json_t *text = json_is_array(value) ? json_array_get(value, 0) : value;
        if (strcasecmp(key, name) == 0 && json_is_string(text))
            return json_string_value(text);
    }
    return "";
}

/* Bodies of these types come in base64. */
static bool is_coded(const char *type) {
    static const char *const types[] = {"application/octet-stream", "multipart/", "image/",
                                        "application/x-npy"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strncasecmp(type, types[i], strlen(types[i])) == 0)
            return true;
    return false;
}

static void read_text(const json_t *text, payload *p, bool may_be_coded) {
    const char *data = json_string_value(text);
    size_t size = json_string_length(text), blank = strspn(data, " \t\r\n");
    p->body.data = data;
    p->body.size = size;
    if (may_be_coded && data[blank] != '{' && data[blank] != '[' && data[blank] != '"')
        decode(p, data, size);
}

static void read_http(const json_t *request, payload *p) {
    json_t *body = json_object_get(request, "Body");
    p->body.type = find_header(json_object_get(request, "Headers"), "content-type");
    if (json_is_object(body))
        p->json = json_incref(body);
    else if (json_is_string(body))
        read_text(body, p, is_coded(p->body.type));
}

/* A message of a queue, a blob: an object, JSON as text, or base64 of anything. */
static void read_message(json_t *data, payload *p) {
    if (json_is_object(data))
        p->json = json_incref(data);
    else if (json_is_string(data))
        read_text(data, p, true);
    /* What pictures begin with. */
    if (p->body.size > 4 && memcmp(p->body.data, "\xff\xd8\xff", 3) == 0)
        p->body.type = "image/jpeg";
    else if (p->body.size > 8 && memcmp(p->body.data, "\x89PNG", 4) == 0)
        p->body.type = "image/png";
}

/* ---- answers ---- */

static void append_text(infer_serve_text *to, const char *text) {
    infer_serve_append(to, text, strlen(text));
}

static void append_string(infer_serve_text *to, const char *text) {
    json_t *string = infer_serve_string(text, strlen(text));
    if (string)
        infer_serve_write(to, string);
    else
        to->failed = true;
    json_decref(string);
}

static void write_http(infer_serve_text *to, const function *f, const infer_serve_reply *made) {
    char head[120];
    int status = made->error.status ? made->error.status : 200;
    append_text(to, "{\"Outputs\":{");
    append_string(to, *f->output ? f->output : "res");
    snprintf(head, sizeof head,
             ":{\"statusCode\":%d,\"status\":\"%d\",\"headers\":{\"content-type\":"
             "\"application/json\"},\"body\":",
             status, status);
    append_text(to, head);
    infer_serve_append(to, made->text, made->size);
    append_text(to, "}},\"Logs\":[");
    if (made->error.status)
        append_string(to, made->error.reason);
    append_text(to, "],\"ReturnValue\":null}");
}

static void write_answer(infer_serve_text *to, const function *f, const infer_serve_reply *made) {
    bool returns = !*f->output || strcmp(f->output, "$return") == 0;
    append_text(to, "{\"Outputs\":{");
    if (!returns) {
        append_string(to, f->output);
        append_text(to, ":");
        infer_serve_append(to, made->text, made->size);
    }
    append_text(to, "},\"Logs\":[],\"ReturnValue\":");
    if (returns)
        infer_serve_append(to, made->text, made->size);
    else
        append_text(to, "null");
    append_text(to, "}");
}

static void send(infer_http_reply *reply, infer_serve_text *text) {
    if (text->failed) {
        free(text->data);
        infer_http_fail(reply, 503, "no memory is left for an answer");
    } else {
        reply->data = text->data;
        reply->size = text->size;
    }
}

static bool respond(infer_serve *serve, const infer_serve_call *call, payload *p,
                    infer_serve_reply *made) {
    if (p->json)
        return infer_serve_respond_json(serve, call, json_incref(p->json), made);
    return infer_serve_respond(serve, call, &p->body, made);
}

/* ---- invocations ---- */

/* Without function.json an HTTP trigger is known by what it looks like. */
static bool looks_like_http(const json_t *data) {
    return json_is_string(json_object_get(data, "Method")) && json_object_get(data, "Url");
}

/* What triggered: the binding of that name, else the first one. */
static json_t *find_data(json_t *data, const function *f) {
    json_t *named = *f->trigger ? json_object_get(data, f->trigger) : NULL;
    void *first = json_object_iter(data);
    return named ? named : first ? json_object_iter_value(first) : NULL;
}

/* The timer warms the model up; there is nothing to predict from. */
static void answer_timer(infer_http_reply *reply) {
    static const char text[] = "{\"Outputs\":{},\"Logs\":[\"the model is ready\"],"
                               "\"ReturnValue\":null}";
    reply->fixed = text;
    reply->size = sizeof text - 1;
}

static void invoke(infer_serve *serve, const infer_http_request *request, const char *name,
                   json_t *data, infer_http_reply *reply) {
    function f;
    infer_serve_reply made;
    infer_serve_text text = {0};
    payload p = {.body = {"", "", 0}};
    infer_serve_call call = request->call;
    find_function(name, &f);
    json_t *trigger = find_data(data, &f);
    if (f.is_timer || (!*f.trigger && json_object_get(trigger, "ScheduleStatus"))) {
        answer_timer(reply);
        return;
    }
    bool is_http = *f.trigger ? f.is_http : looks_like_http(trigger);
    if (is_http) {
        read_http(trigger, &p);
        const char *parent = find_header(json_object_get(trigger, "Headers"), "traceparent");
        call.traceparent = *parent ? parent : call.traceparent;
    } else {
        read_message(trigger, &p);
    }
    bool good = respond(serve, &call, &p, &made);
    if (made.error.status)
        infer_serve_log(made.error.status < 500 ? INFER_SERVE_WARN : INFER_SERVE_ERROR, &call,
                        "%s: status %d: %s", name, made.error.status, made.error.reason);
    if (good && is_http)
        write_http(&text, &f, &made);
    else if (good && !made.error.status)
        write_answer(&text, &f, &made);
    /* A message that cannot be answered is a failed invocation: the host tries again and puts it
     * aside at last. */
    if (!good || (made.error.status && !is_http))
        infer_http_take(reply, good, &made);
    else {
        free(made.text);
        send(reply, &text);
    }
    json_decref(p.json);
    free(p.bytes);
}

/* The default mode wraps invocations, the other one passes requests on as they came. */
static void answer(void *user, infer_serve *serve, const infer_http_request *request,
                   infer_http_reply *reply) {
    infer_serve_error error = {0};
    const char *name = request->path + 1;
    bool is_invocation =
        is_name(name) && strncasecmp(request->body.type, "application/json", 16) == 0;
    json_t *json = is_invocation
                       ? infer_serve_read(serve, request->body.data, request->body.size, &error)
                       : NULL;
    json_t *data = json_object_get(json, "Data");
    if (json_is_object(data) && json_object_get(json, "Metadata"))
        invoke(serve, request, name, data, reply);
    else
        infer_http_predict(user, serve, request, reply);
    json_decref(json);
}

static uint16_t find_port(void) {
    const char *port = getenv("FUNCTIONS_CUSTOMHANDLER_PORT");
    port = port ? port : getenv("FUNCTIONS_HTTPWORKER_PORT");
    unsigned long number = port ? strtoul(port, NULL, 10) : 0;
    return number > 0 && number < 65536 ? (uint16_t)number : 8080;
}

int infer_serve_azure_run(infer_serve_options *options) {
    static const infer_http_route routes[] = {
        {"GET", "/ready", true, infer_http_ready},
        {"GET", "/metrics", true, infer_http_give_metrics},
        {"GET", "*", true, infer_http_health}, /* the host asks until anything is answered */
        {"POST", "*", false, answer},
    };
    const infer_http_service service = {.routes = routes,
                                        .count = sizeof routes / sizeof *routes,
                                        .address = "127.0.0.1",
                                        .port = find_port(),
                                        .id_header = "X-Azure-Functions-InvocationId",
                                        .quiet_ms = 200};
    return infer_http_serve(options, &service);
}
