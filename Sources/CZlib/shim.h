#include <zlib.h>

// Swift cannot call what are macros.
static inline int hookline_deflate_start(z_stream *stream, int level, int window_bits) {
    return deflateInit2(stream, level, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY);
}

static inline int hookline_inflate_start(z_stream *stream, int window_bits) {
    return inflateInit2(stream, window_bits);
}
