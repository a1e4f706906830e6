#include "stream/fencing.h"

enum { IN_A_ROW_US = 60000000 };

bool fencing_ends_us(struct fencing *f, int64_t now_us)
{
    bool in_a_row = f->count > 0 && now_us - f->last_us < IN_A_ROW_US;
    f->count = in_a_row ? f->count + 1 : 1;
    f->last_us = now_us;
    return f->count >= FENCING_LIMIT;
}
