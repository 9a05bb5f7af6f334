/* Upper and lower case: ASCII here, all else by utf8proc. */
#include "letter_case.h"

#include "status.h"

#include <string.h>

/* The bytes up to the first one beyond ASCII. */
static size_t change_ascii(infer_string text, bool upper, char *to) {
    size_t i = 0;
    for (; i < text.size && !(text.data[i] & 0x80); i++) {
        char c = text.data[i], first = upper ? 'a' : 'A';
        to[i] = c >= first && c < first + 26 ? (char)(c ^ 0x20) : c;
    }
    return i;
}

#ifdef INFER_HAVE_UTF8PROC

#include "library.h"

#include <utf8proc.h>

INFER_LIBRARY(utf8proc_library, INFER_UTF8PROC_FUNCTIONS)

#define SHARP_S 0xdf /* utf8proc has a capital for it; Unicode's simple mapping has none */

static infer_status change_rest(infer_string text, bool upper, char *to, size_t *size) {
    utf8proc_library u;
    INFER_TRY(infer_library_open(INFER_LIBRARY_UTF8PROC, &u));
    const utf8proc_uint8_t *from = (const utf8proc_uint8_t *)text.data;
    char *start = to;
    for (size_t left = text.size; left > 0;) {
        utf8proc_int32_t c;
        utf8proc_ssize_t n = u.utf8proc_iterate(from, left < 4 ? (utf8proc_ssize_t)left : 4, &c);
        if (n <= 0) {
            *to++ = (char)*from;
            n = 1;
        } else {
            c = !upper ? u.utf8proc_tolower(c) : c == SHARP_S ? c : u.utf8proc_toupper(c);
            to += u.utf8proc_encode_char(c, (utf8proc_uint8_t *)to);
        }
        from += n;
        left -= (size_t)n;
    }
    *size = (size_t)(to - start);
    return INFER_OK;
}

#else

static infer_status change_rest(infer_string text, bool upper, char *to, size_t *size) {
    (void)text, (void)upper, (void)to, (void)size;
    return infer_fail(INFER_ERROR_UNSUPPORTED,
                      "a text beyond ASCII; libinfer was built without utf8proc");
}

#endif

infer_status infer_change_case(infer_string text, bool upper, char *to, size_t *size) {
    size_t done = change_ascii(text, upper, to), more = 0;
    if (done < text.size)
        INFER_TRY(change_rest((infer_string){text.data + done, text.size - done}, upper, to + done,
                              &more));
    *size = done + more;
    return INFER_OK;
}
