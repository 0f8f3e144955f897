#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "flinkctl/doctor.h"

TestSuite(doctor, .timeout = 20);

/* A self-signed certificate that is valid until @days from now, as base64 of PEM. free(). */
static char *ca(int days)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    BIO *bio = BIO_new(BIO_s_mem());
    char *pem, *out;
    long len;

    X509_gmtime_adj(X509_getm_notBefore(certificate), -100L * 24 * 3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), days * 24L * 3600 + 60);
    X509_set_pubkey(certificate, key);
    cr_assert_gt(X509_sign(certificate, key, EVP_sha256()), 0);
    cr_assert_eq(PEM_write_bio_X509(bio, certificate), 1);
    len = BIO_get_mem_data(bio, &pem);
    out = calloc(1, (size_t)len * 2);
    EVP_EncodeBlock((unsigned char *)out, (unsigned char *)pem, (int)len);
    BIO_free(bio);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return out;
}

Test(doctor, a_ca_tells_how_long_it_is_valid)
{
    _cleanup_(freep) char *fine = ca(30), *expired = ca(-3);
    int days = 0;

    cr_expect_eq(doctor_ca_days(fine, &days), 0);
    cr_expect_eq(days, 30);
    cr_expect_eq(doctor_ca_days(expired, &days), 0);
    cr_expect_lt(days, 0);
}

Test(doctor, what_is_no_certificate_is_told)
{
    int days;

    cr_expect_eq(doctor_ca_days("", &days), -EINVAL);
    cr_expect_eq(doctor_ca_days("%%%", &days), -EINVAL);
    cr_expect_eq(doctor_ca_days("Cg==", &days), -EINVAL);
}
