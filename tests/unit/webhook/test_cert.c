#include <string.h>
#include <sys/stat.h>

#include <criterion/criterion.h>

#include "common/base/base64.h"
#include "common/base/json.h"
#include "common/base/str.h"
#include "webhook/ca_sync.h"
#include "webhook/cert.h"
#include "webhook/cert_store.h"

#define DAY ((int64_t)24 * 3600 * 1000)
#define NOW ((int64_t)1767225600 * 1000) /* 2026-01-01 */

TestSuite(cert, .timeout = 60);

static struct error err;

static struct cert make(const struct cert *authority, int days, int64_t now_ms)
{
    struct cert cert = {0};

    cr_assert_eq(cert_make(authority, "hook", "flink", days, now_ms, &cert, &err), 0, "%s",
                 err.text);
    return cert;
}

static int count(const char *pem)
{
    int n = 0;

    for (; pem && (pem = strstr(pem, "-----BEGIN CERTIFICATE-----")); pem++)
        n++;
    return n;
}

/* ---- making ---- */

Test(cert, a_certificate_is_for_its_service_and_due_before_its_end)
{
    _cleanup_(cert_done) struct cert cert = make(NULL, 90, NOW);

    cr_expect(cert_is_own(&cert));
    cr_expect(cert_names(&cert, "hook", "flink"));
    cr_expect_not(cert_names(&cert, "hook", "other"));
    cr_expect_eq(cert.not_after_ms, NOW + 90 * DAY);
    cr_expect_gt(cert.renew_ms, NOW + 59 * DAY);
    cr_expect_lt(cert.renew_ms, NOW + 61 * DAY);
}

Test(cert, a_living_authority_signs_the_next_one)
{
    _cleanup_(cert_done) struct cert first = make(NULL, 90, NOW);
    _cleanup_(cert_done) struct cert second = make(&first, 90, first.renew_ms);

    cr_expect_str_eq(second.ca_pem, first.ca_pem);
    cr_expect_str_neq(second.cert_pem, first.cert_pem);
    cr_expect_gt(second.not_after_ms, first.not_after_ms);
}

Test(cert, an_old_authority_is_replaced)
{
    _cleanup_(cert_done) struct cert first = make(NULL, 365, NOW);
    _cleanup_(cert_done) struct cert second = make(&first, 365, NOW + (int64_t)9 * 365 * DAY);

    cr_expect_str_neq(second.ca_pem, first.ca_pem);
}

Test(cert, names_that_are_no_names_are_refused)
{
    struct cert cert;

    cr_expect_eq(cert_make(NULL, "a,DNS:evil", "b", 1, NOW, &cert, &err), -EINVAL);
    cr_expect_eq(cert_make(NULL, "", "b", 1, NOW, &cert, &err), -EINVAL);
}

/* ---- reading ---- */

Test(cert, a_key_of_another_certificate_is_noticed)
{
    _cleanup_(cert_done) struct cert a = make(NULL, 90, NOW);
    _cleanup_(cert_done) struct cert b = make(NULL, 90, NOW);
    struct cert mixed = {.cert_pem = a.cert_pem, .key_pem = b.key_pem};

    cr_expect_eq(cert_check(&mixed, &err), -EINVAL);
    cr_expect(strstr(err.text, "isn't the certificate's"));
    mixed.key_pem = NULL;
    cr_expect_eq(cert_check(&mixed, &err), -EINVAL);
    mixed.cert_pem = NULL;
    cr_expect_eq(cert_check(&mixed, &err), -EINVAL);
}

static const char *new_directory(void)
{
    static const char pattern[] = "/tmp/flinkd-test-cert-XXXXXX";
    static char dir[sizeof(pattern)];

    memcpy(dir, pattern, sizeof(pattern));
    cr_assert(mkdtemp(dir));
    return dir;
}

static void remove_directory(const char *dir)
{
    static const char *const names[] = {"tls.crt", "tls.key", "ca.crt", "ca.key"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        _cleanup_(freep) char *path = str_printf("%s/%s", dir, names[i]);

        (void)unlink(path);
    }
    cr_expect_eq(rmdir(dir), 0, "files left in %s", dir);
}

Test(cert, what_is_stored_is_loaded_again)
{
    _cleanup_(cert_done) struct cert made = make(NULL, 90, NOW);
    _cleanup_(cert_done) struct cert loaded = {0};
    const char *dir = new_directory();
    _cleanup_(freep) char *key = str_printf("%s/tls.key", dir);
    struct stat st;

    cr_expect_eq(cert_store_load(dir, &loaded, &err), CERT_STORE_E_EMPTY);
    cr_assert_eq(cert_store_save(dir, &made, &err), 0, "%s", err.text);
    cr_assert_eq(stat(key, &st), 0);
    cr_expect_eq(st.st_mode & 0777U, 0600U);
    cr_assert_eq(cert_store_load(dir, &loaded, &err), 0, "%s", err.text);
    cr_expect_str_eq(loaded.cert_pem, made.cert_pem);
    cr_expect_eq(loaded.renew_ms, made.renew_ms);
    cr_expect(cert_is_own(&loaded));
    remove_directory(dir);
}

Test(cert, a_mounted_certificate_is_not_ours_to_renew)
{
    _cleanup_(cert_done) struct cert made = make(NULL, 90, NOW);
    _cleanup_(cert_done) struct cert loaded = {0};
    const char *dir = new_directory();
    _cleanup_(freep) char *ca_key = str_printf("%s/ca.key", dir);
    _cleanup_(freep) char *key = str_printf("%s/tls.key", dir);

    cr_assert_eq(cert_store_save(dir, &made, &err), 0);
    cr_assert_eq(unlink(ca_key), 0);
    cr_assert_eq(cert_store_load(dir, &loaded, &err), 0);
    cr_expect_not(cert_is_own(&loaded));
    cr_expect_eq(loaded.renew_ms, 0);
    cr_assert_eq(unlink(key), 0);
    cert_done(&loaded);
    cr_expect_lt(cert_store_load(dir, &loaded, &err), 0, "half of a pair");
    remove_directory(dir);
}

Test(cert, a_directory_that_can_not_be_written_is_an_error)
{
    _cleanup_(cert_done) struct cert made = make(NULL, 90, NOW);

    cr_expect_lt(cert_store_save("/proc/nowhere/certs", &made, &err), 0);
}

/* ---- the bundle ---- */

Test(cert, a_bundle_gets_our_authority_once)
{
    _cleanup_(cert_done) struct cert a = make(NULL, 90, NOW);
    _cleanup_(cert_done) struct cert b = make(NULL, 90, NOW);
    _cleanup_(freep) char *one = NULL, *two = NULL, *again = NULL;

    cr_assert_eq(cert_bundle(NULL, a.ca_pem, NOW, &one, &err), 0);
    cr_expect_eq(count(one), 1);
    cr_assert_eq(cert_bundle(one, b.ca_pem, NOW, &two, &err), 0);
    cr_expect_eq(count(two), 2);
    cr_expect(strstr(two, a.ca_pem), "the other replica's stays");
    cr_assert_eq(cert_bundle(two, a.ca_pem, NOW, &again, &err), 0);
    cr_expect_null(again);
}

Test(cert, expired_and_repeated_certificates_leave_a_bundle)
{
    _cleanup_(cert_done) struct cert old = make(NULL, 90, NOW);
    _cleanup_(cert_done) struct cert new = make(NULL, 90, NOW + 5000 * DAY);
    _cleanup_(freep) char *bundle = str_printf("%s%sgarbage", old.ca_pem, old.ca_pem);
    _cleanup_(freep) char *once = NULL, *fresh = NULL;

    cr_assert_eq(cert_bundle(bundle, old.ca_pem, NOW, &once, &err), 0);
    cr_expect_eq(count(once), 1);
    cr_assert_eq(cert_bundle(bundle, new.ca_pem, NOW + 5000 * DAY, &fresh, &err), 0);
    cr_expect_str_eq(fresh, new.ca_pem);
}

Test(cert, a_bundle_does_not_grow_for_ever)
{
    _cleanup_(freep) char *bundle = NULL;

    for (int i = 0; i < 30; i++) {
        _cleanup_(cert_done) struct cert cert = make(NULL, 90, NOW + i * DAY);
        char *next = NULL;

        cr_assert_eq(cert_bundle(bundle, cert.ca_pem, NOW + 30 * DAY, &next, &err), 0);
        free(bundle);
        bundle = next;
        cr_assert(strstr(bundle, cert.ca_pem));
    }
    cr_expect_leq(count(bundle), 16);
}

Test(cert, an_authority_that_is_none_is_refused)
{
    char *ret;

    cr_expect_eq(cert_bundle("", "garbage", NOW, &ret, &err), -EINVAL);
}

/* ---- the webhook configurations ---- */

static cJSON *configuration(void)
{
    return cJSON_Parse("{\"metadata\":{\"name\":\"c\",\"resourceVersion\":\"7\"},\"webhooks\":["
                       "{\"name\":\"a\",\"clientConfig\":{\"service\":{\"name\":\"s\"}}},"
                       "{\"name\":\"b\",\"clientConfig\":{\"caBundle\":\"!\"}}]}");
}

Test(cert, every_webhook_of_a_configuration_gets_the_authority)
{
    _cleanup_(cert_done) struct cert cert = make(NULL, 90, NOW);
    _cleanup_(json_freep) cJSON *config = configuration();
    _cleanup_(json_freep) cJSON *patch = NULL;
    _cleanup_(json_freep) cJSON *again = NULL;

    cr_assert_eq(ca_sync_patch(config, cert.ca_pem, NOW, &patch, &err), 0);
    cr_assert(patch);
    cr_expect_str_eq(json_str(patch, "metadata.resourceVersion"), "7");
    cr_expect_eq(json_count(patch, "webhooks"), 2);
    json_foreach (webhook, json_get(patch, "webhooks")) {
        _cleanup_(freep) char *pem = NULL;
        size_t len;

        cr_assert_eq(base64_decode(json_str_or(webhook, "clientConfig.caBundle", ""), &pem, &len),
                     0);
        cr_expect_str_eq(pem, cert.ca_pem);
    }
    json_apply_merge(config, patch);
    cr_assert_eq(ca_sync_patch(config, cert.ca_pem, NOW, &again, &err), 0);
    cr_expect_null(again, "it is there already");
}

Test(cert, a_configuration_without_webhooks_needs_nothing)
{
    _cleanup_(cert_done) struct cert cert = make(NULL, 90, NOW);
    _cleanup_(json_freep) cJSON *config = cJSON_Parse("{}");
    cJSON *patch;

    cr_assert_eq(ca_sync_patch(config, cert.ca_pem, NOW, &patch, &err), 0);
    cr_expect_null(patch);
    cr_assert_eq(ca_sync_patch(NULL, cert.ca_pem, NOW, &patch, &err), 0);
    cr_expect_null(patch);
}
