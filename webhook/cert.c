#include "webhook/cert.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "common/base/buf.h"
#include "common/base/str.h"

enum { CA_DAYS = 3650, NAMES_SIZE = 1024, BUNDLE_MAX_BYTES = 256 * 1024 };

#define DAY_MS      ((int64_t)24 * 3600 * 1000)
#define BACKDATED_S 3600L /* for peers whose clock is behind */

static void x509_freep(X509 **x)
{
    X509_free(*x);
}

static void pkey_freep(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static void bio_freep(BIO **bio)
{
    BIO_free(*bio);
}

static int openssl_error(struct error *err, const char *what)
{
    char text[256];

    ERR_error_string_n(ERR_get_error(), text, sizeof(text));
    ERR_clear_error();
    return error_set(err, EIO, "%s: %s", what, text);
}

void cert_done(struct cert *cert)
{
    free(cert->ca_pem);
    free(cert->cert_pem);
    if (cert->ca_key)
        OPENSSL_cleanse(cert->ca_key, strlen(cert->ca_key));
    if (cert->key_pem)
        OPENSSL_cleanse(cert->key_pem, strlen(cert->key_pem));
    free(cert->ca_key);
    free(cert->key_pem);
    *cert = (struct cert){0};
}

struct cert cert_take(struct cert *cert)
{
    struct cert taken = *cert;

    *cert = (struct cert){0};
    return taken;
}

bool cert_is_own(const struct cert *cert)
{
    return cert->ca_pem && cert->ca_key;
}

/* ---- PEM ---- */

static X509 *read_x509(BIO *bio)
{
    X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);

    ERR_clear_error();
    return x;
}

static X509 *parse_x509(const char *pem)
{
    _cleanup_(bio_freep) BIO *bio = pem ? BIO_new_mem_buf(pem, -1) : NULL;

    return bio ? read_x509(bio) : NULL;
}

static EVP_PKEY *parse_key(const char *pem)
{
    _cleanup_(bio_freep) BIO *bio = pem ? BIO_new_mem_buf(pem, -1) : NULL;
    static char passphrase[] = ""; /* else OpenSSL asks for one at the terminal */
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, passphrase) : NULL;

    ERR_clear_error();
    return key;
}

static char *bio_text(BIO *bio)
{
    const char *data = NULL;
    long len = BIO_get_mem_data(bio, &data);

    return len > 0 ? strndup(data, (size_t)len) : NULL;
}

static char *print_x509(X509 *x)
{
    _cleanup_(bio_freep) BIO *bio = BIO_new(BIO_s_mem());

    return bio && PEM_write_bio_X509(bio, x) == 1 ? bio_text(bio) : NULL;
}

static char *print_key(EVP_PKEY *key)
{
    _cleanup_(bio_freep) BIO *bio = BIO_new(BIO_s_secmem());

    if (!bio || PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1)
        return NULL;
    return bio_text(bio);
}

static int64_t time_of(const ASN1_TIME *t)
{
    struct tm tm = {0};

    return ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) * 1000 : 0;
}

/* ---- making ---- */

static int set_serial(X509 *x)
{
    unsigned char bytes[16];
    BIGNUM *number;
    bool done;

    if (RAND_bytes(bytes, sizeof(bytes)) != 1)
        return -EIO;
    bytes[0] &= 0x7f; /* positive */
    number = BN_bin2bn(bytes, sizeof(bytes), NULL);
    done = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x));
    BN_free(number);
    return done ? 0 : -EIO;
}

static int add_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *extension;
    bool done;

    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    done = extension && X509_add_ext(x, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return done ? 0 : -EIO;
}

/* What every certificate has; not signed yet. */
static X509 *new_x509(EVP_PKEY *key, const char *common_name, int days, int64_t now_ms)
{
    _cleanup_(x509_freep) X509 *x = X509_new();
    time_t now = (time_t)(now_ms / 1000);
    X509_NAME *name;

    if (!x || X509_set_version(x, X509_VERSION_3) != 1 || set_serial(x) ||
        !X509_time_adj_ex(X509_getm_notBefore(x), 0, -BACKDATED_S, &now) ||
        !X509_time_adj_ex(X509_getm_notAfter(x), days, 0, &now) || X509_set_pubkey(x, key) != 1)
        return NULL;
    name = X509_get_subject_name(x);
    if (X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name,
                                   -1, -1, 0) != 1)
        return NULL;
    return TAKE(x);
}

static int sign(X509 *x, X509 *issuer, EVP_PKEY *key)
{
    if (X509_set_issuer_name(x, X509_get_subject_name(issuer)) != 1 ||
        X509_sign(x, key, EVP_sha256()) == 0)
        return -EIO;
    return 0;
}

static int make_authority(int64_t now_ms, X509 **ret, EVP_PKEY **ret_key, struct error *err)
{
    _cleanup_(pkey_freep) EVP_PKEY *key = EVP_EC_gen("P-256");
    _cleanup_(x509_freep) X509 *x = key ? new_x509(key, CERT_CA_NAME, CA_DAYS, now_ms) : NULL;

    if (!x || add_extension(x, x, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
        add_extension(x, x, NID_key_usage, "critical,keyCertSign,cRLSign") ||
        add_extension(x, x, NID_subject_key_identifier, "hash") || sign(x, x, key))
        return openssl_error(err, "making a certificate authority");
    *ret = TAKE(x);
    *ret_key = TAKE(key);
    return 0;
}

static int make_serving(X509 *ca, EVP_PKEY *ca_key, const char *names, const char *common_name,
                        int days, int64_t now_ms, struct cert *ret, struct error *err)
{
    _cleanup_(pkey_freep) EVP_PKEY *key = EVP_EC_gen("P-256");
    _cleanup_(x509_freep) X509 *x = key ? new_x509(key, common_name, days, now_ms) : NULL;

    if (!x || add_extension(x, ca, NID_basic_constraints, "critical,CA:FALSE") ||
        add_extension(x, ca, NID_key_usage, "critical,digitalSignature") ||
        add_extension(x, ca, NID_ext_key_usage, "serverAuth") ||
        add_extension(x, ca, NID_authority_key_identifier, "keyid") ||
        add_extension(x, ca, NID_subject_alt_name, names) || sign(x, ca, ca_key))
        return openssl_error(err, "making a serving certificate");
    ret->cert_pem = print_x509(x);
    ret->key_pem = print_key(key);
    return ret->cert_pem && ret->key_pem ? 0 : openssl_error(err, "printing a certificate");
}

/* A CA that outlives the certificate by as much again. */
static bool lives_long_enough(X509 *ca, int days, int64_t now_ms)
{
    return time_of(X509_get0_notAfter(ca)) > now_ms + (int64_t)2 * days * DAY_MS;
}

static int san_names(const char *service, const char *ns, char names[NAMES_SIZE], char host[64],
                     struct error *err)
{
    int n =
        snprintf(names, NAMES_SIZE, "DNS:%s.%s.svc,DNS:%s.%s.svc.cluster.local,DNS:%s.%s,DNS:%s",
                 service, ns, service, ns, service, ns, service);

    /* They become part of a configuration text of OpenSSL's. */
    if (str_empty(service) || str_empty(ns) || strpbrk(service, ",: \n") || strpbrk(ns, ",: \n"))
        return error_set(err, EINVAL, "no names of a Service and its namespace: '%s', '%s'",
                         service, ns);
    if (n < 0 || n >= NAMES_SIZE)
        return error_set(err, ENAMETOOLONG, "names of Service %s in namespace %s are too long",
                         service, ns);
    (void)snprintf(host, 64, "%.63s",
                   service); /* a common name has at most 64; nobody looks at it */
    return 0;
}

int cert_make(const struct cert *authority, const char *service, const char *ns, int days,
              int64_t now_ms, struct cert *ret, struct error *err)
{
    _cleanup_(x509_freep) X509 *ca = authority ? parse_x509(authority->ca_pem) : NULL;
    _cleanup_(pkey_freep) EVP_PKEY *ca_key = authority ? parse_key(authority->ca_key) : NULL;
    _cleanup_(cert_done) struct cert cert = {0};
    char names[NAMES_SIZE], host[64];
    int r;

    r = san_names(service, ns, names, host, err);
    if (r)
        return r;
    if (!ca || !ca_key || !lives_long_enough(ca, days, now_ms)) {
        X509_free(TAKE(ca));
        EVP_PKEY_free(TAKE(ca_key));
        r = make_authority(now_ms, &ca, &ca_key, err);
        if (r)
            return r;
    }
    r = make_serving(ca, ca_key, names, host, days, now_ms, &cert, err);
    if (r)
        return r;
    cert.ca_pem = print_x509(ca);
    cert.ca_key = print_key(ca_key);
    if (!cert.ca_pem || !cert.ca_key)
        return openssl_error(err, "printing a certificate authority");
    r = cert_check(&cert, err);
    if (r)
        return r;
    *ret = cert_take(&cert);
    return 0;
}

/* ---- reading ---- */

int cert_check(struct cert *cert, struct error *err)
{
    _cleanup_(x509_freep) X509 *x = parse_x509(cert->cert_pem);
    _cleanup_(pkey_freep) EVP_PKEY *key = parse_key(cert->key_pem);
    int64_t from_ms;

    if (!x)
        return error_set(err, EINVAL, "the serving certificate is no PEM certificate");
    if (!key)
        return error_set(err, EINVAL, "the serving key is no unencrypted PEM private key");
    if (X509_check_private_key(x, key) != 1) {
        ERR_clear_error();
        return error_set(err, EINVAL, "the serving key isn't the certificate's");
    }
    from_ms = time_of(X509_get0_notBefore(x));
    cert->not_after_ms = time_of(X509_get0_notAfter(x));
    cert->renew_ms =
        cert_is_own(cert) ? cert->not_after_ms - (cert->not_after_ms - from_ms) / 3 : 0;
    return 0;
}

bool cert_names(const struct cert *cert, const char *service, const char *ns)
{
    _cleanup_(x509_freep) X509 *x = parse_x509(cert->cert_pem);
    char host[NAMES_SIZE];
    int n = snprintf(host, sizeof(host), "%s.%s.svc", service, ns);

    return x && n > 0 && n < (int)sizeof(host) && X509_check_host(x, host, (size_t)n, 0, NULL) == 1;
}

/* ---- the bundle ---- */

enum { BUNDLE_CERTS_MAX = 64, OWN_CERTS_MAX = 16 };

struct bundle {
    X509 *certs[BUNDLE_CERTS_MAX];
    int n;
    bool changed; /* something was left out */
};

static void bundle_done(struct bundle *b)
{
    for (int i = 0; i < b->n; i++)
        X509_free(b->certs[i]);
}

static bool is_own_authority(X509 *x)
{
    char name[64];

    return X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, name, sizeof(name)) >
               0 &&
           str_eq(name, CERT_CA_NAME);
}

static bool bundle_has(const struct bundle *b, const X509 *x)
{
    for (int i = 0; i < b->n; i++)
        if (X509_cmp(b->certs[i], x) == 0)
            return true;
    return false;
}

/* Takes @x. */
static void bundle_add(struct bundle *b, X509 *x, int64_t now_ms)
{
    if (b->n < BUNDLE_CERTS_MAX && time_of(X509_get0_notAfter(x)) > now_ms && !bundle_has(b, x)) {
        b->certs[b->n++] = x;
        return;
    }
    X509_free(x);
    b->changed = true;
}

/* Every restart without a directory that outlives it leaves an authority behind: the oldest go. */
static void bundle_trim(struct bundle *b)
{
    for (;;) {
        int own = 0, oldest = -1;

        for (int i = 0; i < b->n; i++) {
            if (!is_own_authority(b->certs[i]))
                continue;
            own++;
            if (oldest < 0 || time_of(X509_get0_notBefore(b->certs[i])) <
                                  time_of(X509_get0_notBefore(b->certs[oldest])))
                oldest = i;
        }
        if (own < OWN_CERTS_MAX)
            return;
        X509_free(b->certs[oldest]);
        memmove(&b->certs[oldest], &b->certs[oldest + 1],
                (size_t)(--b->n - oldest) * sizeof(X509 *));
        b->changed = true;
    }
}

static void bundle_read(struct bundle *b, const char *pem, int64_t now_ms)
{
    _cleanup_(bio_freep) BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *x;

    while (bio && (x = read_x509(bio)))
        bundle_add(b, x, now_ms);
}

static int bundle_print(const struct bundle *b, char **ret, struct error *err)
{
    _cleanup_(buf_done) struct buf text = BUF_INIT(BUNDLE_MAX_BYTES);

    for (int i = 0; i < b->n; i++) {
        _cleanup_(freep) char *pem = print_x509(b->certs[i]);

        if (pem)
            buf_puts(&text, pem);
    }
    *ret = buf_take(&text);
    return *ret ? 0 : error_set(err, ENOMEM, "no memory for a bundle of certificates");
}

int cert_bundle(const char *bundle, const char *ca_pem, int64_t now_ms, char **ret,
                struct error *err)
{
    _cleanup_(bundle_done) struct bundle b = {.n = 0};
    X509 *own = parse_x509(ca_pem);

    *ret = NULL;
    if (!own)
        return error_set(err, EINVAL, "the authority is no PEM certificate");
    bundle_read(&b, bundle ? bundle : "", now_ms);
    if (bundle_has(&b, own)) {
        X509_free(own);
        return b.changed ? bundle_print(&b, ret, err) : 0;
    }
    bundle_trim(&b);
    if (b.n == BUNDLE_CERTS_MAX)
        X509_free(b.certs[--b.n]);
    b.certs[b.n++] = own;
    return bundle_print(&b, ret, err);
}
