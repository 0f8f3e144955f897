/* libmicrohttpd without threads: its epoll set is one descriptor of the loop, its time-outs one
 * timer.
 *
 * Its own time-out is of silence. A client that sends a byte now and then is caught by a second
 * one: a request has to be complete twice that time after the last one was answered. And there is
 * always room for one more client: whoever has waited longest without asking for anything makes it.
 */
#include "common/io/httpd.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include "common/base/buf.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "common/io/listen.h"

enum {
    BODY_MAX_BYTES = 64 << 10,
    CONNECTIONS = 64,
    TIMEOUT_S = 10,
    HEADER_MAX_BYTES = 32 << 10, /* a connection's memory: request line, headers, read buffer */
    SWEEP_MS = 1000,
    SWALLOW =
        4, /* times max_body_bytes that are read, to be answered with 413, before hanging up */
};

struct client {
    struct client *prev, *next;
    MHD_socket fd;
    int64_t since_ms; /* monotonic: connected, or last answered */
    bool answered; /* ever */
    bool leaving; /* hung up on; MHD is still to notice */
};

/* One MHD, which reads a certificate only when it starts. */
struct server {
    struct server *next; /* retired: the one before it */
    struct httpd *httpd;
    struct MHD_Daemon *daemon;
    struct loop_timer *timer;
    int epoll; /* MHD's; -1: not watched */
    bool retired; /* accepts nobody any more, and closes each connection after an answer */
    int64_t until_ms; /* retired: monotonic, then it ends */
};

struct httpd {
    struct loop *loop;
    struct server *server, *retired; /* retired: those with certificates before, a list */
    struct loop_timer *sweep;
    struct client *clients; /* newest first */
    unsigned staying, max_clients; /* of them, not leaving; and how many may */
    int listener, port;
    httpd_fn fn;
    void *userdata;
    size_t max_body_bytes;
    unsigned timeout_s;
};

/* ---- requests ---- */

static enum MHD_Result answer(const struct server *server, struct MHD_Connection *connection,
                              const struct httpd_answer *a)
{
    static char empty[] = "";
    struct MHD_Response *response;
    enum MHD_Result queued;

    response =
        a->body ? MHD_create_response_from_buffer(strlen(a->body), a->body, MHD_RESPMEM_MUST_FREE)
                : MHD_create_response_from_buffer(0, empty, MHD_RESPMEM_PERSISTENT);
    if (!response) {
        free(a->body);
        return MHD_NO;
    }
    if (a->content_type)
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, a->content_type);
    if (server->retired)
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    queued = MHD_queue_response(connection, (unsigned)a->status, response);
    MHD_destroy_response(response);
    return queued;
}

static enum MHD_Result answer_too_large(const struct server *server,
                                        struct MHD_Connection *connection)
{
    const struct httpd_answer a = {.status = MHD_HTTP_CONTENT_TOO_LARGE,
                                   .content_type = "text/plain",
                                   .body = strdup("the body is too large\n")};

    return answer(server, connection, &a);
}

static bool announces_too_much(const struct httpd *httpd, struct MHD_Connection *connection)
{
    int64_t length;

    return !str_to_i64(MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
                                                   MHD_HTTP_HEADER_CONTENT_LENGTH),
                       &length) &&
           length > (int64_t)httpd->max_body_bytes;
}

/* Called with the headers, then with each piece of the body, then at its end. */
static enum MHD_Result on_request(void *userdata, struct MHD_Connection *connection,
                                  const char *path, const char *method, const char *version,
                                  const char *data, size_t *size, void **context)
{
    struct server *server = userdata;
    struct httpd *httpd = server->httpd;
    struct buf *body = *context;
    struct httpd_request request = {.method = method, .path = path};
    struct httpd_answer a = {0};

    (void)version;
    if (!body) {
        if (announces_too_much(httpd, connection))
            return answer_too_large(server, connection);
        *context = body = calloc(1, sizeof(*body));
        if (body)
            *body = BUF_INIT(httpd->max_body_bytes * SWALLOW);
        return body ? MHD_YES : MHD_NO;
    }
    if (*size) {
        int r = buf_add(body, data, *size);

        *size = 0;
        return r ? MHD_NO : MHD_YES;
    }
    if (body->len > httpd->max_body_bytes)
        return answer_too_large(server, connection);
    request.body = buf_str(body);
    request.body_len = body->len;
    httpd->fn(&request, &a, httpd->userdata);
    if (!a.status)
        a.status = MHD_HTTP_INTERNAL_SERVER_ERROR;
    return answer(server, connection, &a);
}

static void on_completed(void *userdata, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode how)
{
    struct buf *body = *context;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct client *client = info ? info->socket_context : NULL;

    (void)userdata;
    (void)how;
    if (client) {
        client->since_ms = time_monotonic_ms();
        client->answered = true;
    }
    if (body)
        buf_done(body);
    free(body);
    *context = NULL;
}

/* ---- clients that take too long ---- */

static void hang_up(struct httpd *httpd, struct client *client)
{
    if (client->leaving)
        return;
    client->leaving = true;
    httpd->staying--;
    (void)shutdown(client->fd, SHUT_RDWR); /* MHD closes what it finds ended */
}

/* Is @a to go before @b? One that never asked for anything is; else the one that is silent longer.
 */
static bool goes_first(const struct client *a, const struct client *b)
{
    return a->answered != b->answered ? b->answered : a->since_ms < b->since_ms;
}

static void make_room(struct httpd *httpd)
{
    struct client *first = NULL;

    if (httpd->staying <= httpd->max_clients)
        return;
    for (struct client *c = httpd->clients->next; c; c = c->next)
        if (!c->leaving && (!first || !goes_first(first, c)))
            first = c;
    if (first)
        hang_up(httpd, first);
}

static void on_connection(void *userdata, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct httpd *httpd = userdata;
    const union MHD_ConnectionInfo *info;
    struct client *client = *context;

    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        client = info ? malloc(sizeof(*client)) : NULL;
        *context = client;
        if (!client)
            return;
        *client = (struct client){
            .next = httpd->clients, .fd = info->connect_fd, .since_ms = time_monotonic_ms()};
        if (client->next)
            client->next->prev = client;
        httpd->clients = client;
        httpd->staying++;
        make_room(httpd);
        if (!loop_timer_armed(httpd->sweep))
            loop_timer_arm(httpd->sweep, SWEEP_MS);
    } else if (client) {
        httpd->staying -= !client->leaving;
        if (client->prev)
            client->prev->next = client->next;
        else
            httpd->clients = client->next;
        if (client->next)
            client->next->prev = client->prev;
        free(client);
        *context = NULL;
    }
}

/* ---- MHD in the loop ---- */

static void run(struct server *server)
{
    MHD_UNSIGNED_LONG_LONG timeout_ms;

    (void)MHD_run(server->daemon);
    if (MHD_get_timeout(server->daemon, &timeout_ms) == MHD_YES)
        loop_timer_arm(server->timer, timeout_ms > INT_MAX ? INT_MAX : (int64_t)timeout_ms);
    else
        loop_timer_arm(server->timer, -1);
}

static void on_readable(int fd, unsigned events, void *userdata)
{
    (void)fd;
    (void)events;
    run(userdata);
}

static void on_timer(void *userdata)
{
    run(userdata);
}

static struct server *server_free(struct server *server)
{
    if (!server)
        return NULL;
    if (server->epoll >= 0)
        loop_remove_fd(server->httpd->loop, server->epoll);
    if (server->daemon)
        MHD_stop_daemon(server->daemon);
    loop_timer_free(server->timer);
    free(server);
    return NULL;
}

static void server_freep(struct server **server)
{
    server_free(*server);
}

/* Of one address: enough for an API server that is a webhook's only client, not all there is. */
static unsigned per_address(unsigned connections)
{
    return connections - connections / 4;
}

static struct MHD_Daemon *start(struct server *server, const char *cert_pem, const char *key_pem,
                                int listener)
{
    struct httpd *httpd = server->httpd;
    bool tls = cert_pem && key_pem;
    struct MHD_OptionItem tls_options[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)cert_pem},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)key_pem},
        {MHD_OPTION_HTTPS_PRIORITIES, 0,
         (void *)(uintptr_t) "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"},
        {MHD_OPTION_END, 0, NULL},
    };

    return MHD_start_daemon(MHD_USE_EPOLL | (tls ? MHD_USE_TLS : 0U), 0, NULL, NULL, on_request,
                            server, MHD_OPTION_LISTEN_SOCKET, listener, MHD_OPTION_CONNECTION_LIMIT,
                            httpd->max_clients * 2, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
                            per_address(httpd->max_clients), MHD_OPTION_CONNECTION_TIMEOUT,
                            httpd->timeout_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                            (size_t)HEADER_MAX_BYTES, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
                            httpd, MHD_OPTION_NOTIFY_CONNECTION, on_connection, httpd,
                            MHD_OPTION_ARRAY, tls ? tls_options : tls_options + 3, MHD_OPTION_END);
}

static int server_new(struct httpd *httpd, const char *cert_pem, const char *key_pem,
                      struct server **ret, struct error *err)
{
    _cleanup_(server_freep) struct server *server = calloc(1, sizeof(*server));
    const union MHD_DaemonInfo *info;
    int listener, r;

    if (!server)
        return error_set(err, ENOMEM, "no memory for an HTTP server");
    *server = (struct server){.httpd = httpd, .epoll = -1};
    server->timer = loop_timer_new(httpd->loop, on_timer, server);
    if (!server->timer)
        return error_set(err, ENOMEM, "no memory for an HTTP server");
    listener = fcntl(httpd->listener, F_DUPFD_CLOEXEC, 0); /* MHD's to close, if it starts */
    if (listener < 0)
        return error_set(err, errno, "serve at port %d: %s", httpd->port, strerror(errno));
    server->daemon = start(server, cert_pem, key_pem, listener);
    if (!server->daemon)
        (void)close(listener);
    if (!server->daemon)
        return error_set(err, EINVAL, "serve at port %d: %s", httpd->port,
                         cert_pem ? "is the certificate valid, and the key its own?" : "no memory");
    info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (!info)
        return error_set(err, EIO, "libmicrohttpd without epoll");
    r = loop_set_fd(httpd->loop, info->epoll_fd, LOOP_READ, on_readable, server, err);
    if (r)
        return r;
    server->epoll = info->epoll_fd;
    run(server);
    *ret = TAKE(server);
    return 0;
}

/* ---- another certificate ---- */

static bool is_idle(const struct server *server)
{
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);

    return !info || info->num_connections == 0;
}

static void retire(struct httpd *httpd, struct server *server)
{
    MHD_socket listener = MHD_quiesce_daemon(server->daemon);

    if (listener != MHD_INVALID_SOCKET)
        (void)close(listener);
    server->retired = true;
    server->until_ms = time_monotonic_ms() + (int64_t)httpd->timeout_s * 1000;
    server->next = httpd->retired;
    httpd->retired = server;
    loop_timer_arm(httpd->sweep, SWEEP_MS);
}

int httpd_set_certificate(struct httpd *httpd, const char *cert_pem, const char *key_pem,
                          struct error *err)
{
    struct server *server;
    int r;

    r = server_new(httpd, cert_pem, key_pem, &server, err);
    if (r)
        return r;
    retire(httpd, httpd->server);
    httpd->server = server;
    return 0;
}

static void free_retired(struct httpd *httpd, bool all)
{
    for (struct server **at = &httpd->retired; *at;) {
        struct server *server = *at;

        if (!all && time_monotonic_ms() < server->until_ms && !is_idle(server)) {
            at = &server->next;
            continue;
        }
        *at = server->next;
        server_free(server);
    }
}

static void on_sweep(void *userdata)
{
    struct httpd *httpd = userdata;
    int64_t limit = time_monotonic_ms() - (int64_t)httpd->timeout_s * 2000;

    for (struct client *c = httpd->clients; c; c = c->next)
        if (c->since_ms < limit)
            hang_up(httpd, c);
    free_retired(httpd, false);
    if (httpd->clients || httpd->retired)
        loop_timer_arm(httpd->sweep, SWEEP_MS);
}

/* ---- the whole ---- */

static void httpd_freep(struct httpd **httpd)
{
    httpd_free(*httpd);
}

int httpd_new(struct loop *loop, const struct httpd_config *config, httpd_fn fn, void *userdata,
              struct httpd **ret, struct error *err)
{
    _cleanup_(httpd_freep) struct httpd *httpd = calloc(1, sizeof(*httpd));
    int r;

    if (!httpd)
        return error_set(err, ENOMEM, "no memory for an HTTP server");
    *httpd = (struct httpd){
        .loop = loop,
        .listener = -1,
        .fn = fn,
        .userdata = userdata,
        .max_body_bytes = config->max_body_bytes ? config->max_body_bytes : BODY_MAX_BYTES,
        .timeout_s = config->timeout_s ? config->timeout_s : TIMEOUT_S,
        .max_clients = config->max_connections ? config->max_connections : CONNECTIONS,
    };
    httpd->sweep = loop_timer_new(loop, on_sweep, httpd);
    if (!httpd->sweep)
        return error_set(err, ENOMEM, "no memory for an HTTP server");
    r = listen_open(config->addr, &httpd->listener, &httpd->port, err);
    if (!r)
        r = server_new(httpd, config->cert_pem, config->key_pem, &httpd->server, err);
    if (r)
        return r;
    *ret = TAKE(httpd);
    return 0;
}

struct httpd *httpd_free(struct httpd *httpd)
{
    if (!httpd)
        return NULL;
    free_retired(httpd, true);
    server_free(httpd->server);
    loop_timer_free(httpd->sweep);
    if (httpd->listener >= 0)
        (void)close(httpd->listener);
    free(httpd);
    return NULL;
}

int httpd_port(const struct httpd *httpd)
{
    return httpd->port;
}

/* ---- health ---- */

static void on_health(const struct httpd_request *request, struct httpd_answer *a, void *userdata)
{
    const bool *ready = userdata;
    bool reads = str_eq(request->method, "GET") || str_eq(request->method, "HEAD");

    a->content_type = "text/plain";
    if (!reads)
        a->status = MHD_HTTP_METHOD_NOT_ALLOWED;
    else if (str_eq(request->path, "/healthz"))
        a->status = MHD_HTTP_OK;
    else if (str_eq(request->path, "/readyz"))
        a->status = *ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
    else
        a->status = MHD_HTTP_NOT_FOUND;
    a->body = strdup(a->status == MHD_HTTP_OK ? "ok\n" : "no\n");
}

int httpd_health(struct loop *loop, const char *addr, const bool *ready, struct httpd **ret,
                 struct error *err)
{
    const struct httpd_config config = {.addr = addr, .max_body_bytes = 1024};

    *ret = NULL;
    if (str_empty(addr))
        return 0;
    return httpd_new(loop, &config, on_health, (void *)(uintptr_t)ready, ret, err);
}
