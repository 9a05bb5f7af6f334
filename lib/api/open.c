/* infer_open and its kin: prepared images only, so that a static program leaves the loaders out. */
#include "image.h"
#include "map.h"
#include "model.h"
#include "status.h"

#include <string.h>

infer_status infer_open_with(const char *path, const infer_options *given, infer_model **model) {
    if (model)
        *model = NULL;
    if (!path || !model)
        return infer_fail(INFER_ERROR_ARGUMENT, "infer_open: an argument is NULL");
    infer_options options;
    INFER_TRY(infer_options_read(given, &options));
    infer_map map;
    INFER_TRY(infer_map_file(path, &map));
    infer_status status = infer_model_new(&options, map, NULL, 0, NULL, 0, model);
    if (status == INFER_OK)
        return INFER_OK;
    infer_unmap(&map);
    return infer_fail_within(status, "%.300s", path);
}

infer_status infer_open(const char *path, infer_model **model) {
    return infer_open_with(path, NULL, model);
}

infer_status infer_open_memory_with(const void *data, size_t size, infer_ownership ownership,
                                    const infer_options *given, infer_model **model) {
    if (model)
        *model = NULL;
    if (!data || !model || (ownership != INFER_COPY && ownership != INFER_BORROW))
        return infer_fail(INFER_ERROR_ARGUMENT, "infer_open_memory: an argument is NULL or wrong");
    infer_options options;
    INFER_TRY(infer_options_read(given, &options));
    if (ownership == INFER_BORROW && (uintptr_t)data % INFER_IMAGE_ALIGN == 0)
        return infer_model_new(&options, (infer_map){0}, NULL, 0, data, size, model);
    infer_allocator a = infer_options_allocator(&options);
    void *copy = infer_alloc(&a, size);
    if (!copy)
        return INFER_ERROR_MEMORY;
    memcpy(copy, data, size);
    infer_status status = infer_model_new(&options, (infer_map){0}, copy, size, NULL, 0, model);
    if (status != INFER_OK)
        infer_dealloc(&a, copy, size);
    return status;
}
