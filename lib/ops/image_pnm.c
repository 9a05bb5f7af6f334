/* PBM, PGM and PPM, as text (P1 to P3) and as bytes (P4 to P6). */
#include "picture.h"
#include "status.h"

typedef struct reader {
    const uint8_t *at, *end;
} reader;

static bool is_space(uint8_t c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* White space, and comments up to the end of their line. */
static void skip_space(reader *r) {
    while (r->at < r->end && (is_space(*r->at) || *r->at == '#')) {
        if (*r->at == '#')
            while (r->at < r->end && *r->at != '\n' && *r->at != '\r')
                r->at++;
        else
            r->at++;
    }
}

/* A number below 2^31; -1 where there is none. */
static int64_t read_number(reader *r) {
    int64_t value = 0;
    skip_space(r);
    const uint8_t *start = r->at;
    for (; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++) {
        value = value * 10 + (*r->at - '0');
        if (value > INT32_MAX)
            return -1;
    }
    return r->at > start ? value : -1;
}

/* A sample of a picture of text; those of bitmaps may stand without space between. */
static int64_t read_sample(reader *r, bool bitmap) {
    if (!bitmap)
        return read_number(r);
    skip_space(r);
    if (r->at == r->end || (*r->at != '0' && *r->at != '1'))
        return -1;
    return *r->at++ == '0';
}

static uint8_t scale(int64_t value, int64_t most) {
    return (uint8_t)((value < most ? value * 255 + most / 2 : most * 255 + most / 2) / most);
}

static bool read_text(reader *r, infer_picture *p, bool bitmap, int64_t most) {
    size_t n = p->width * p->height * p->channels;
    for (size_t i = 0; i < n; i++) {
        int64_t value = read_sample(r, bitmap);
        if (value < 0)
            return false;
        p->pixels[i] = scale(value, most);
    }
    return true;
}

static bool read_bitmap(reader *r, infer_picture *p) {
    size_t row = (p->width + 7) / 8;
    if ((size_t)(r->end - r->at) < row * p->height)
        return false;
    for (size_t y = 0; y < p->height; y++, r->at += row)
        for (size_t x = 0; x < p->width; x++)
            p->pixels[y * p->width + x] = r->at[x / 8] >> (7 - x % 8) & 1 ? 0 : 255;
    return true;
}

static bool read_samples(reader *r, infer_picture *p, int64_t most) {
    size_t n = p->width * p->height * p->channels, wide = most > 255;
    if ((size_t)(r->end - r->at) / (1 + wide) < n)
        return false;
    for (size_t i = 0; i < n; i++, r->at += 1 + wide)
        p->pixels[i] = scale(wide ? infer_read_be16(r->at) : *r->at, most);
    return true;
}

infer_status infer_decode_pnm(infer_picture *p) {
    reader r = {p->data + 2, p->data + p->size};
    unsigned kind = p->data[1] - '0';
    bool bitmap = kind % 3 == 1, text = kind <= 3;
    if (r.at == r.end || !(is_space(*r.at) || *r.at == '#'))
        return INFER_OK;
    int64_t width = read_number(&r), height = read_number(&r), most = bitmap ? 1 : read_number(&r);
    if (width <= 0 || height <= 0 || most <= 0 || most > 65535)
        return INFER_OK;
    if (!text && (r.at == r.end || !is_space(*r.at++))) /* one character, then bytes */
        return INFER_OK;
    INFER_TRY(infer_picture_make(p, (size_t)width, (size_t)height, kind % 3 == 0 ? 3 : 1));
    bool whole = text     ? read_text(&r, p, bitmap, most)
                 : bitmap ? read_bitmap(&r, p)
                          : read_samples(&r, p, most);
    if (!whole)
        p->pixels = NULL;
    return INFER_OK;
}
