#include "record/decode.h"

#include <stdio.h>

bool refuse(struct refusal *r, enum refusal_kind kind, size_t offset, const char *field)
{
    *r = (struct refusal){.kind = kind, .offset = offset};
    (void)snprintf(r->field, sizeof(r->field), "%s", field);
    return false;
}

bool role_is_plain(struct str role)
{
    enum { ROLE_MAX = 32 };
    if (role.n == 0 || role.n > ROLE_MAX)
        return false;
    for (size_t i = 0; i < role.n; i++) {
        char c = role.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool other = (c >= '0' && c <= '9') || c == '_' || c == '-';
        if (!letter && (i == 0 || !other))
            return false;
    }
    return true;
}
