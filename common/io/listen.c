#include "common/io/listen.h"

#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/str.h"

enum { BACKLOG = 512, HOST_MAX = 256 };

/* "host:port" apart. An empty host is every interface, by an IPv6 socket that also takes IPv4. */
static int split(const char *addr, char host[HOST_MAX], const char **port, struct error *err)
{
    const char *colon = addr ? strrchr(addr, ':') : NULL;
    size_t len = colon ? (size_t)(colon - addr) : 0;
    int64_t number;

    if (!colon || str_to_i64(colon + 1, &number) || number < 0 || number > UINT16_MAX)
        return error_set(err, EINVAL, "'%s' is no host:port", addr ? addr : "");
    if (len >= 2 && addr[0] == '[' && addr[len - 1] == ']') {
        addr++;
        len -= 2;
    }
    if (len >= HOST_MAX)
        return error_set(err, EINVAL, "'%s': the host is too long", addr);
    memcpy(host, addr, len);
    host[len] = '\0';
    *port = colon + 1;
    return 0;
}

static int bind_to(const struct addrinfo *ai, const char *addr, int *ret, struct error *err)
{
    const int on = 1, off = 0;
    int fd, r;

    fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return error_set(err, errno, "listen at %s: %s", addr, strerror(errno));
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (ai->ai_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0) {
        r = error_set(err, errno, "listen at %s: %s", addr, strerror(errno));
        close(fd);
        return r;
    }
    *ret = fd;
    return 0;
}

static int port_of(int fd)
{
    struct sockaddr_storage name = {0};
    socklen_t len = sizeof(name);
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;

    if (getsockname(fd, (struct sockaddr *)&name, &len) < 0)
        return 0;
    memcpy(&v4, &name, sizeof(v4));
    memcpy(&v6, &name, sizeof(v6));
    return ntohs(name.ss_family == AF_INET6 ? v6.sin6_port : v4.sin_port);
}

int listen_open(const char *addr, int *ret_fd, int *ret_port, struct error *err)
{
    char host[HOST_MAX];
    const char *port;
    int families[] = {AF_INET6, AF_INET}, r, code = EAI_NONAME;

    r = split(addr, host, &port, err);
    if (r)
        return r;
    for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
        struct addrinfo hints = {.ai_family = families[i],
                                 .ai_socktype = SOCK_STREAM,
                                 .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
        struct addrinfo *ai = NULL;

        code = getaddrinfo(host[0] ? host : NULL, port, &hints, &ai);
        if (code)
            continue; /* not of this family */
        r = bind_to(ai, addr, ret_fd, err);
        freeaddrinfo(ai);
        if (!r)
            *ret_port = port_of(*ret_fd);
        /* no IPv6 on this machine: try the other */
        if (r != -EAFNOSUPPORT && r != -EADDRNOTAVAIL)
            return r;
    }
    return r ? r : error_set(err, EINVAL, "'%s': %s", addr, gai_strerror(code));
}
