#include "stream/source.h"

struct str source_header(const struct source_record *r, struct str name)
{
    for (size_t i = 0; i < r->n_headers; i++)
        if (str_eq_folded(r->headers[i].name, name))
            return r->headers[i].value;
    return (struct str){0};
}
