#include "stream/kafka_identity.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/sha256.h"
#include "obs/log.h"

enum {
    NUMBERS = 1024, /* workers of a group on one host */
    HASH_BYTES = 16, /* of the group's, in the socket's name: it has room for 107 characters */
};

static void hash_group(struct str group, char hex[2 * HASH_BYTES + 1])
{
    struct sha256 h;
    uint8_t hash[SHA256_BYTES];
    sha256_init(&h);
    sha256_field(&h, group);
    sha256_finish(&h, hash);
    sha256_done(&h);
    hex_encode(hash, HASH_BYTES, hex);
}

/* The first byte of an abstract name is 0, and its length counts. */
static bool bind_number(int fd, const char *hash, unsigned number)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int n = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "rbr/%s/%u", hash, number);
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
    return bind(fd, (const struct sockaddr *)&address, length) == 0;
}

int kafka_identity_claim(struct str group, char ret[KAFKA_IDENTITY_MAX])
{
    char hash[2 * HASH_BYTES + 1], host[128] = "";
    unsigned number = 0;
    hash_group(group, hash);
    (void)gethostname(host, sizeof(host) - 1);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool bound = false;
    while (fd >= 0 && number < NUMBERS && !(bound = bind_number(fd, hash, number)) &&
           errno == EADDRINUSE)
        number++;
    if (!bound) {
        log_warning(
            "kafka.identity",
            "no number can be held on this host (%s): the process id names this worker, and a "
            "restart does not end what it leaves open; set kafka.instance_id",
            number < NUMBERS ? strerror(errno) : "all are taken");
        kafka_identity_release(fd);
        fd = -1;
        number = (unsigned)getpid();
    }
    (void)snprintf(ret, KAFKA_IDENTITY_MAX, "%.*s-%s-%u", STR_ARGS(group), host, number);
    log_info("kafka.identity", "this worker is %s", ret);
    return fd;
}

void kafka_identity_release(int claim)
{
    if (claim >= 0)
        (void)close(claim);
}
