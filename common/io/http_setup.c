#include "common/io/http_setup.h"

#include <string.h>
#include <strings.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include "common/base/str.h"

#ifndef FLINKD_VERSION
#define FLINKD_VERSION "unknown"
#endif

enum {
    CONNECT_TIMEOUT_MS = 5000,
    /* A peer that vanished without a word: given up after this, though requests that time out one
     * by one would leave the shared HTTP/2 connection in place. */
    UNACKNOWLEDGED_MS = 20000,
    DNS_CACHE_S = 5, /* a Service that is made again has another address */
    KEEPALIVE_IDLE_S = 15,
    KEEPALIVE_INTERVAL_S = 5,
};

/* One failed option fails the request: a dropped TLS option must not go unnoticed. */
#define SET(option, value)                                                                         \
    do {                                                                                           \
        CURLcode code_ = curl_easy_setopt(easy, option, value);                                    \
        if (code_ != CURLE_OK)                                                                     \
            return error_set(err, code_ == CURLE_OUT_OF_MEMORY ? ENOMEM : EINVAL, "%s: %s",        \
                             #option, curl_easy_strerror(code_));                                  \
    } while (0)

static int on_socket(void *userdata, curl_socket_t fd, curlsocktype purpose)
{
    unsigned timeout_ms = UNACKNOWLEDGED_MS;

    (void)userdata;
    if (purpose == CURLSOCKTYPE_IPCXN) /* where it can't be set, only the discovery is slower */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms));
    return CURL_SOCKOPT_OK;
}

static int set_connection(CURL *easy, const struct http_request *request, struct error *err)
{
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_CONNECTTIMEOUT_MS,
        request->connect_timeout_ms ? (long)request->connect_timeout_ms : (long)CONNECT_TIMEOUT_MS);
    SET(CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
    SET(CURLOPT_DNS_CACHE_TIMEOUT, (long)DNS_CACHE_S);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_IDLE_S);
    SET(CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_INTERVAL_S);
    SET(CURLOPT_SOCKOPTFUNCTION, on_socket);
    SET(CURLOPT_HTTP_VERSION,
        (long)(request->http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
    /* rather wait for a connection that can be shared than open one a request */
    SET(CURLOPT_PIPEWAIT, request->http2 ? 1L : 0L);
    if (request->no_proxy)
        SET(CURLOPT_PROXY, "");
    return 0;
}

/* ---- headers ---- */

static bool has_header(const char *const *headers, const char *name)
{
    size_t len = strlen(name);

    for (; headers && *headers; headers++)
        if (strncasecmp(*headers, name, len) == 0 && (*headers)[len] == ':')
            return true;
    return false;
}

static int add_header(struct curl_slist **list, const char *text, struct error *err)
{
    struct curl_slist *longer;

    /* a line break would begin another header */
    if (strpbrk(text, "\r\n"))
        return error_set(err, EINVAL, "a header or a token has a line break");
    longer = curl_slist_append(*list, text);
    if (!longer)
        return error_set(err, ENOMEM, "no memory for a header");
    *list = longer;
    return 0;
}

static int set_headers(CURL *easy, const struct http_request *request, struct curl_slist **list,
                       struct error *err)
{
    int r = 0;

    for (const char *const *h = request->headers; !r && h && *h; h++)
        r = add_header(list, *h, err);
    if (!r && request->bearer) {
        _cleanup_(freep) char *line = str_printf("Authorization: Bearer %s", request->bearer);

        r = line ? add_header(list, line, err) : error_set(err, ENOMEM, "no memory for a token");
    }
    /* curl's own default would be a form's type */
    if (!r && request->body && !has_header(request->headers, "Content-Type"))
        r = add_header(list, "Content-Type: application/json", err);
    if (!r) /* no second round trip for large bodies */
        r = add_header(list, "Expect:", err);
    if (r)
        return r;
    SET(CURLOPT_HTTPHEADER, *list);
    SET(CURLOPT_USERAGENT, "flinkd/" FLINKD_VERSION);
    return 0;
}

static int set_method(CURL *easy, const struct http_request *request, struct error *err)
{
    const char *method = request->method;
    bool body = request->body || str_eq(method, "POST") || str_eq(method, "PUT");

    if (str_empty(method) || method[strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")])
        return error_set(err, EINVAL, "'%s' is no HTTP method", method ? method : "");
    if (str_eq(method, "HEAD"))
        SET(CURLOPT_NOBODY, 1L);
    if (body) {
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)(request->body ? request->body_len : 0));
        SET(CURLOPT_COPYPOSTFIELDS, request->body ? request->body : "");
    }
    SET(CURLOPT_CUSTOMREQUEST, method);
    return 0;
}

/* ---- TLS ---- */

static int set_blob(CURL *easy, CURLoption option, const void *pem, size_t len, struct error *err)
{
    struct curl_blob blob = {.len = len, .flags = CURL_BLOB_COPY};

    memcpy(&blob.data, &pem, sizeof(pem)); /* const: it is copied */
    SET(option, &blob);
    return 0;
}

static int set_ca(CURL *easy, const struct http_tls *tls, struct error *err)
{
    if (tls->insecure) {
        SET(CURLOPT_SSL_VERIFYPEER, 0L);
        SET(CURLOPT_SSL_VERIFYHOST, 0L);
        return 0;
    }
    if (!tls->ca_pem && !tls->ca_file)
        return 0;
    SET(CURLOPT_CAPATH, NULL); /* the system's authorities are not trusted beside the given one */
    if (tls->ca_pem)
        return set_blob(easy, CURLOPT_CAINFO_BLOB, tls->ca_pem, tls->ca_pem_len, err);
    SET(CURLOPT_CAINFO, tls->ca_file);
    return 0;
}

static int set_tls(CURL *easy, const struct http_tls *tls, struct error *err)
{
    int r;

    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (!tls)
        return 0;
    r = set_ca(easy, tls, err);
    if (!r && tls->cert_pem)
        r = set_blob(easy, CURLOPT_SSLCERT_BLOB, tls->cert_pem, tls->cert_pem_len, err);
    if (!r && tls->key_pem)
        r = set_blob(easy, CURLOPT_SSLKEY_BLOB, tls->key_pem, tls->key_pem_len, err);
    if (r)
        return r;
    if (!tls->cert_pem && tls->cert_file)
        SET(CURLOPT_SSLCERT, tls->cert_file);
    if (!tls->key_pem && tls->key_file)
        SET(CURLOPT_SSLKEY, tls->key_file);
    return 0;
}

static void curl_freep(char **text)
{
    curl_free(*text);
}

static void url_freep(CURLU **url)
{
    curl_url_cleanup(*url);
}

/* curl verifies the name in the URL. For another one, that name goes into the URL, and the
 * connection to where it went before. */
static int set_server_name(CURL *easy, const struct http_request *request,
                           struct curl_slist **connect_to, struct error *err)
{
    const char *name = request->tls->server_name;
    _cleanup_(url_freep) CURLU *url = curl_url();
    _cleanup_(curl_freep) char *host = NULL, *port = NULL, *renamed = NULL;
    _cleanup_(freep) char *route = NULL;

    if (!url || curl_url_set(url, CURLUPART_URL, request->url, 0) ||
        curl_url_get(url, CURLUPART_HOST, &host, 0) ||
        curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) ||
        curl_url_set(url, CURLUPART_HOST, name, 0) || curl_url_get(url, CURLUPART_URL, &renamed, 0))
        return error_set(err, EINVAL, "URL '%s' with server name '%s'", request->url, name);
    route = str_printf("%s:%s:%s:%s", name, port, host, port);
    *connect_to = route ? curl_slist_append(NULL, route) : NULL;
    if (!*connect_to)
        return error_set(err, ENOMEM, "no memory for a route");
    SET(CURLOPT_CONNECT_TO, *connect_to);
    SET(CURLOPT_URL, renamed);
    return 0;
}

int http_setup(CURL *easy, const struct http_request *request, struct curl_slist **headers,
               struct curl_slist **connect_to, struct error *err)
{
    int r;

    SET(CURLOPT_URL, request->url);
    r = set_connection(easy, request, err);
    if (!r)
        r = set_method(easy, request, err);
    if (!r)
        r = set_headers(easy, request, headers, err);
    if (!r)
        r = set_tls(easy, request->tls, err);
    if (!r && request->tls && request->tls->server_name)
        r = set_server_name(easy, request, connect_to, err);
    return r;
}

static const struct {
    CURLcode code;
    int errnum;
} errors[] = {
    {CURLE_OPERATION_TIMEDOUT, ETIMEDOUT},
    {CURLE_COULDNT_CONNECT, ECONNREFUSED},
    {CURLE_COULDNT_RESOLVE_HOST, EHOSTUNREACH},
    {CURLE_COULDNT_RESOLVE_PROXY, EHOSTUNREACH},
    {CURLE_GOT_NOTHING, ECONNRESET},
    {CURLE_RECV_ERROR, ECONNRESET},
    {CURLE_SEND_ERROR, ECONNRESET},
    {CURLE_URL_MALFORMAT, EINVAL},
    {CURLE_UNSUPPORTED_PROTOCOL, EINVAL},
    {CURLE_OUT_OF_MEMORY, ENOMEM},
    {CURLE_PARTIAL_FILE, EPROTO},
    {CURLE_WEIRD_SERVER_REPLY, EPROTO},
    {CURLE_HTTP2, EPROTO},
    {CURLE_HTTP2_STREAM, EPROTO},
    {CURLE_SSL_CONNECT_ERROR, EPROTO},
    {CURLE_PEER_FAILED_VERIFICATION, EACCES},
    {CURLE_SSL_CERTPROBLEM, EACCES},
    {CURLE_SSL_CACERT_BADFILE, EACCES},
};

int http_errno(CURLcode code, long os_errno)
{
    if (code == CURLE_COULDNT_CONNECT && os_errno > 0)
        return (int)-os_errno;
    for (size_t i = 0; i < ARRAY_SIZE(errors); i++)
        if (errors[i].code == code)
            return -errors[i].errnum;
    return code == CURLE_OK ? 0 : -EIO;
}
