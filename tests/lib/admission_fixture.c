#include "tests/lib/admission_fixture.h"

#include <string.h>

#include <criterion/criterion.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/base/time.h"

static const char session[] =
    "{\"apiVersion\":\"flinkoperator.k8s.io/v1beta1\",\"kind\":\"FlinkCluster\","
    "\"metadata\":{\"name\":\"mine\",\"namespace\":\"default\"},\"spec\":{"
    "\"flinkVersion\":\"1.20\",\"image\":{\"name\":\"flink:1.20\",\"pullPolicy\":\"Always\"},"
    "\"recreateOnUpdate\":true,"
    "\"jobManager\":{\"replicas\":1,\"accessScope\":\"Cluster\","
    "\"ports\":{\"rpc\":6123,\"blob\":6124,\"query\":6125,\"ui\":8081},"
    "\"resources\":{\"requests\":{\"cpu\":\"200m\",\"memory\":\"512Mi\"},"
    "\"limits\":{\"cpu\":\"2\",\"memory\":\"2Gi\"}}},"
    "\"taskManager\":{\"replicas\":3,\"deploymentType\":\"StatefulSet\","
    "\"ports\":{\"data\":6121,\"rpc\":6122,\"query\":6125},"
    "\"resources\":{\"requests\":{\"cpu\":\"200m\",\"memory\":\"512Mi\"},"
    "\"limits\":{\"cpu\":\"2\",\"memory\":\"2Gi\"}}}}}";

static const char job[] =
    "{\"mode\":\"Detached\",\"jarFile\":\"/x.jar\",\"className\":\"X\",\"parallelism\":1,"
    "\"savepointsDir\":\"s3://sp\",\"restartPolicy\":\"Never\",\"allowNonRestoredState\":false,"
    "\"noLoggingToStdout\":false}";

static const char status[] =
    "{\"state\":\"Running\",\"components\":{\"job\":{\"id\":\"abc\",\"state\":\"Running\"}}}";

static cJSON *parse(const char *text)
{
    struct error err = {0};
    cJSON *json = NULL;

    cr_assert_eq(json_parse(text, strlen(text), &json, &err), 0, "%s: %s", text, err.text);
    return json;
}

void fixture_edit(cJSON *cluster, const struct edit *edits)
{
    for (; edits && edits->path; edits++) {
        if (edits->json)
            cr_assert_eq(json_set(cluster, edits->path, parse(edits->json)), 0, "%s", edits->path);
        else
            json_remove(cluster, edits->path);
    }
}

cJSON *fixture_session(const struct edit *edits)
{
    cJSON *cluster = parse(session);

    fixture_edit(cluster, edits);
    return cluster;
}

cJSON *fixture_job(const struct edit *edits)
{
    cJSON *cluster = parse(session);

    json_set(cluster, "spec.job", parse(job));
    json_set(cluster, "status", parse(status));
    fixture_edit(cluster, edits);
    return cluster;
}

static struct findings findings;

const struct findings *fixture_update(cJSON *cluster, cJSON *old)
{
    struct error err = {0};

    if (old) {
        cr_assert_eq(cluster_default(old, &err), 0, "%s", err.text);
        cluster_redefault(cluster, old);
    }
    cr_assert_eq(cluster_default(cluster, &err), 0, "%s", err.text);
    cluster_validate(cluster, old, time_parse_rfc3339("2026-01-01T00:10:00Z"), &findings);
    cluster_warn(cluster, old, &findings);
    cJSON_Delete(cluster);
    cJSON_Delete(old);
    return &findings;
}

const struct findings *fixture_create(cJSON *cluster)
{
    return fixture_update(cluster, NULL);
}

static const char *text_of(const struct findings *f)
{
    static char text[32 * 1024];

    findings_text(f, text, sizeof(text));
    return text;
}

void expect_error(const struct findings *f, const char *rule, const char *field, const char *words)
{
    for (int i = 0; i < f->n_errors; i++) {
        const struct finding *e = &f->errors[i];

        if (str_eq(e->rule, rule) && (!field || str_eq(e->field, field)) &&
            (!words || strstr(e->text, words)))
            return;
    }
    cr_expect_fail("no error of %s at %s with '%s' in: %s", rule, field ? field : "any field",
                   words ? words : "", text_of(f));
}

void expect_only(const struct findings *f, const char *rule)
{
    for (int i = 0; i < f->n_errors; i++)
        cr_expect_str_eq(f->errors[i].rule, rule, "also: %s", text_of(f));
}

void expect_no_error(const struct findings *f)
{
    cr_expect_eq(f->n_errors, 0, "%s", text_of(f));
}

static bool has_warning(const struct findings *f, const char *words)
{
    for (int i = 0; i < f->n_warnings; i++)
        if (strstr(f->warnings[i], words))
            return true;
    return false;
}

void expect_warning(const struct findings *f, const char *words)
{
    cr_expect(has_warning(f, words), "no warning with '%s' among %d, first '%s'", words,
              f->n_warnings, f->n_warnings ? f->warnings[0] : "");
}

void expect_no_warning(const struct findings *f, const char *words)
{
    cr_expect_not(has_warning(f, words), "a warning with '%s'", words);
}

void expect_refused(const char *rule, const char *field, const char *words,
                    const struct edit *edits)
{
    const struct findings *f = fixture_create(fixture_job(edits));

    expect_error(f, rule, field, words);
    expect_only(f, rule);
}

void expect_accepted(const struct edit *edits)
{
    expect_no_error(fixture_create(fixture_job(edits)));
}
