/* WebP, through libwebp. Of pictures that move there is no first one: they cannot be decoded. */
#include "picture.h"
#include "status.h"

#ifdef INFER_HAVE_WEBP

#include "library.h"

#include <webp/decode.h>

INFER_LIBRARY(webp_library, INFER_WEBP_FUNCTIONS)

infer_status infer_decode_webp(infer_picture *p) {
    webp_library f;
    int width = 0, height = 0;
    INFER_TRY(infer_library_open(INFER_LIBRARY_WEBP, &f));
    if (!f.WebPGetInfo(p->data, p->size, &width, &height) || width <= 0 || height <= 0)
        return INFER_OK;
    INFER_TRY(infer_picture_make(p, (size_t)width, (size_t)height, 3));
    if (!f.WebPDecodeRGBInto(p->data, p->size, p->pixels, 3 * p->width * p->height, 3 * width))
        p->pixels = NULL;
    return INFER_OK;
}

#else

infer_status infer_decode_webp(infer_picture *p) {
    (void)p;
    return infer_fail(INFER_ERROR_UNSUPPORTED, "a WebP; libinfer was built without libwebp");
}

#endif
