/* The libraries that are opened when they are first needed, and what is used of each. */
#ifndef INFER_BASE_LIBRARIES_H
#define INFER_BASE_LIBRARIES_H

/* clang-format off */

/* L(name, NAME, file as the dynamic loader looks for it) */
#define INFER_LIBRARIES(L)                                                                         \
    L(jpeg, JPEG, "libjpeg.so.62")                                                                 \
    L(png, PNG, "libpng16.so.16")                                                                  \
    L(webp, WEBP, "libwebp.so.7")                                                                  \
    L(tiff, TIFF, "libtiff.so.6")                                                                  \
    L(openjpeg, OPENJPEG, "libopenjp2.so.7")                                                       \
    L(pcre2, PCRE2, "libpcre2-8.so.0")                                                             \
    L(utf8proc, UTF8PROC, "libutf8proc.so.2")

#define INFER_JPEG_FUNCTIONS(F)                                                                    \
    F(jpeg_std_error) F(jpeg_CreateDecompress) F(jpeg_destroy_decompress) F(jpeg_mem_src)          \
    F(jpeg_read_header) F(jpeg_start_decompress) F(jpeg_read_scanlines)

#define INFER_PNG_FUNCTIONS(F)                                                                     \
    F(png_create_read_struct) F(png_create_info_struct) F(png_destroy_read_struct)                 \
    F(png_set_read_fn) F(png_get_error_ptr) F(png_error) F(png_read_info)                          \
    F(png_get_image_width) F(png_get_image_height) F(png_get_color_type) F(png_get_rowbytes)       \
    F(png_set_expand_gray_1_2_4_to_8) F(png_set_palette_to_rgb) F(png_set_strip_16)                \
    F(png_set_strip_alpha) F(png_set_interlace_handling)                                           \
    F(png_read_update_info) F(png_read_image)

#define INFER_WEBP_FUNCTIONS(F) F(WebPGetInfo) F(WebPDecodeRGBInto)

#define INFER_TIFF_FUNCTIONS(F)                                                                    \
    F(TIFFOpenOptionsAlloc) F(TIFFOpenOptionsFree) F(TIFFOpenOptionsSetMaxSingleMemAlloc)          \
    F(TIFFOpenOptionsSetErrorHandlerExtR) F(TIFFOpenOptionsSetWarningHandlerExtR)                  \
    F(TIFFClientOpenExt) F(TIFFClose) F(TIFFGetFieldDefaulted) F(TIFFRGBAImageOK)                  \
    F(TIFFIsTiled) F(TIFFReadScanline) F(TIFFScanlineSize64) F(TIFFReadRGBAImageOriented)

#define INFER_OPENJPEG_FUNCTIONS(F)                                                                \
    F(opj_set_default_decoder_parameters) F(opj_create_decompress) F(opj_setup_decoder)            \
    F(opj_destroy_codec) F(opj_stream_create) F(opj_stream_destroy)                                \
    F(opj_stream_set_read_function) F(opj_stream_set_skip_function)                                \
    F(opj_stream_set_seek_function) F(opj_stream_set_user_data)                                    \
    F(opj_stream_set_user_data_length) F(opj_read_header) F(opj_decode) F(opj_end_decompress)      \
    F(opj_image_destroy)

#define INFER_PCRE2_FUNCTIONS(F)                                                                   \
    F(pcre2_general_context_create_8) F(pcre2_general_context_free_8)                              \
    F(pcre2_compile_context_create_8) F(pcre2_compile_context_free_8) F(pcre2_set_newline_8)       \
    F(pcre2_set_parens_nest_limit_8) F(pcre2_compile_8) F(pcre2_code_free_8)                       \
    F(pcre2_get_error_message_8) F(pcre2_match_data_create_8) F(pcre2_match_data_free_8)           \
    F(pcre2_match_context_create_8) F(pcre2_match_context_free_8) F(pcre2_set_match_limit_8)       \
    F(pcre2_set_depth_limit_8) F(pcre2_set_heap_limit_8) F(pcre2_match_8)          \
    F(pcre2_dfa_match_8) F(pcre2_get_ovector_pointer_8)

#define INFER_UTF8PROC_FUNCTIONS(F)                                                                \
    F(utf8proc_iterate) F(utf8proc_encode_char) F(utf8proc_tolower) F(utf8proc_toupper)

/* clang-format on */

#endif
