/* `infer inspect`: the memory that a model's image and a run of it take. */
#include "cli.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* "1,3,224,224"; a scalar has nothing. */
static bool read_extents(char *text, int64_t *extents, uint32_t *rank) {
    *rank = 0;
    while (*text) {
        char *end;
        if (*rank == INFER_MAX_RANK)
            return false;
        extents[(*rank)++] = strtoll(text, &end, 10);
        if (end == text || (*end && (*end != ',' || !end[1])))
            return false;
        text = *end ? end + 1 : end;
    }
    return true;
}

bool infer_cli_read_shapes(const char *text, infer_cli_shapes *shapes) {
    shapes->count = 0;
    size_t size = text ? strlen(text) : 0;
    if (size >= sizeof shapes->text)
        return false;
    memcpy(shapes->text, text ? text : "", size + 1);
    for (char *part = shapes->text, *next; *part; part = next) {
        size_t i = shapes->count++;
        next = part + strcspn(part, ";");
        if (*next)
            *next++ = 0;
        /* Names may have a = in them, extents have none. */
        char *equals = strrchr(part, '=');
        if (i == INFER_CLI_SHAPES || !equals)
            return false;
        *equals = 0;
        shapes->names[i] = part;
        shapes->values[i] = (infer_value){.shape = shapes->extents[i]};
        if (!read_extents(equals + 1, shapes->extents[i], &shapes->values[i].rank))
            return false;
    }
    return true;
}

void *infer_cli_memory(const infer_model *model, const infer_cli_shapes *shapes) {
    size_t size = 0;
    const void *data;
    json_t *all = json_object();
    infer_plan_info info = {.struct_size = sizeof info};
    if (infer_model_image(model, &data, &size) == INFER_OK)
        json_object_set_new(all, "image", json_integer((json_int_t)size));
    if (infer_model_plan(model, shapes->names, shapes->values, shapes->count, &info) != INFER_OK) {
        json_object_set_new(all, "error", json_string(infer_last_error()));
        return all;
    }
    json_object_set_new(all, "context", json_integer((json_int_t)info.context));
    json_object_set_new(all, "exact", json_boolean(info.exact));
    json_object_set_new(all, "intermediates", json_integer((json_int_t)info.intermediates));
    json_object_set_new(all, "least", json_integer((json_int_t)info.least));
    json_object_set_new(all, "scratch", json_integer((json_int_t)info.scratch));
    return all;
}

static long long number(const json_t *memory, const char *key) {
    return json_integer_value(json_object_get(memory, key));
}

void infer_cli_print_memory(const void *memory) {
    const char *from = json_is_true(json_object_get(memory, "exact")) ? "" : "from ";
    const char *error = json_string_value(json_object_get(memory, "error"));
    printf("memory: image %lld bytes", number(memory, "image"));
    if (!error)
        printf(", a context %s%lld bytes", from, number(memory, "context"));
    putchar('\n');
    if (error)
        printf("  no plan: %s\n", error);
    else
        printf("  intermediates %s%lld bytes, at least %lld; scratch %lld\n", from,
               number(memory, "intermediates"), number(memory, "least"), number(memory, "scratch"));
}
