#include <zlib.h>

// Swift cannot call what is a macro.
static inline int hookline_deflate_start(z_stream *stream, int level, int window_bits) {
    return deflateInit2(stream, level, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY);
}
