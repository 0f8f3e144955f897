#include <criterion/criterion.h>

#include "common/base/json.h"
#include "common/base/str.h"
#include "common/model/pod.h"
#include "tests/lib/quoted_json.h"

TestSuite(pod, .timeout = 10);

Test(pod, a_workloads_name_gives_its_cluster_and_component)
{
    static const struct {
        const char *kind, *name, *cluster, *component;
    } cases[] = {
        {"StatefulSet", "wc-jobmanager", "wc", "jobmanager"},
        {"StatefulSet", "wc-taskmanager", "wc", "taskmanager"},
        {"StatefulSet", "wc-jobmanager-jobmanager", "wc-jobmanager", "jobmanager"},
        {"Job", "wc-job-submitter", "wc", "submitter"},
        {"Job", "wc-jobmanager", "wc", "jobmanager"},
        {"ReplicaSet", "my-wc-taskmanager-5d8f7c", "my-wc", "taskmanager"},
        {"ReplicaSet", "taskmanager", NULL, NULL},
        {"StatefulSet", "-jobmanager", NULL, NULL},
        {"StatefulSet", "wc", NULL, NULL},
        {"Pod", "wc-jobmanager", NULL, NULL},
        {"", "", NULL, NULL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char name[64];
        const char *component =
            workload_component(cases[i].kind, cases[i].name, name, sizeof(name));

        cr_expect(str_eq(component, cases[i].component), "%s %s", cases[i].kind, cases[i].name);
        if (component)
            cr_expect_str_eq(name, cases[i].cluster);
    }
}

Test(pod, a_name_that_doesnt_fit_is_none)
{
    char name[4];

    cr_expect_null(workload_component("Job", "abcd-jobmanager", name, sizeof(name)));
    cr_expect_not_null(workload_component("Job", "abc-jobmanager", name, sizeof(name)));
}

Test(pod, labels_that_the_user_overrode_dont_count)
{
    _cleanup_(json_freep) cJSON *pod =
        json_of("{'metadata':{'labels':{'cluster':'x','component':'taskmanager'},"
                "'ownerReferences':[{'kind':'Other','name':'y-taskmanager'},"
                "{'kind':'StatefulSet','name':'wc-jobmanager','controller':true}]}}");
    char name[64];

    cr_expect(pod_is(pod, POD_JOBMANAGER));
    cr_expect(pod_cluster(pod, name, sizeof(name)));
    cr_expect_str_eq(name, "wc");
}

Test(pod, without_a_controller_the_label_tells)
{
    _cleanup_(json_freep) cJSON *pod =
        json_of("{'metadata':{'labels':{'component':'jobmanager'}}}");
    char name[64];

    cr_expect(pod_is(pod, POD_JOBMANAGER));
    cr_expect_not(pod_cluster(pod, name, sizeof(name)));
    cr_expect_null(pod_component(NULL));
}
