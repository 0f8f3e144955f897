#include <criterion/criterion.h>

#include "common/base/cleanup.h"
#include "common/flink/url.h"

TestSuite(url, .timeout = 10);

static struct error err;

Test(url, the_default_is_the_jobmanager_service)
{
    _cleanup_(freep) char *url = flink_url(FLINK_URL_TEMPLATE, "ns", "wc", "cluster.local", 8081);

    cr_assert_eq(flink_url_check(FLINK_URL_TEMPLATE, &err), 0, "%s", err.text);
    cr_expect_str_eq(url, "http://wc-jobmanager.ns.svc.cluster.local:8081");
}

Test(url, a_trailing_slash_goes)
{
    _cleanup_(freep) char *url =
        flink_url("http://127.0.0.1:9/{namespace}/{name}//", "ns", "wc", "d", 1);

    cr_expect_str_eq(url, "http://127.0.0.1:9/ns/wc");
}

Test(url, an_unknown_token_is_an_error_that_names_it)
{
    cr_expect_eq(flink_url_check("http://{name}.{nmespace}/", &err), -EINVAL);
    cr_expect(strstr(err.text, "{nmespace}"), "%s", err.text);
    cr_expect_eq(flink_url_check("http://{name", &err), -EINVAL);
}

Test(url, only_http_and_https_are_urls)
{
    cr_expect_eq(flink_url_check("file:///etc/{name}", &err), -EINVAL);
    cr_expect_eq(flink_url_check("", &err), -EINVAL);
    cr_expect_eq(flink_url_check(NULL, &err), -EINVAL);
    cr_expect_eq(flink_url_check("https://{name}:{port}", &err), 0);
}

Test(url, a_port_that_is_none_becomes_the_default)
{
    static const struct {
        const char *cluster;
        int port;
    } cases[] = {
        {"{\"spec\":{\"jobManager\":{\"ports\":{\"ui\":8085}}}}", 8085},
        {"{\"spec\":{\"jobManager\":{\"ports\":{\"ui\":0}}}}", 8081},
        {"{\"spec\":{\"jobManager\":{\"ports\":{\"ui\":70000}}}}", 8081},
        {"{\"spec\":{\"jobManager\":{\"ports\":{\"ui\":\"x\"}}}}", 8081},
        {"{\"spec\":[]}", 8081},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_(json_freep) cJSON *cluster = cJSON_Parse(cases[i].cluster);

        cr_expect_eq(flink_url_port(cluster), cases[i].port, "%s", cases[i].cluster);
    }
    cr_expect_eq(flink_url_port(NULL), 8081);
}
