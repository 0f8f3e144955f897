#include <criterion/criterion.h>

#include "common/base/cleanup.h"
#include "watcher/failed_create.h"

TestSuite(failed_create, .timeout = 10);

Test(failed_create, a_childs_name_gives_its_cluster)
{
    static const struct {
        const char *kind, *name, *cluster;
    } cases[] = {
        {"StatefulSet", "wc-jobmanager", "wc"},
        {"StatefulSet", "wc-taskmanager", "wc"},
        {"Job", "wc-job-submitter", "wc"},
        {"Job", "wc-jobmanager", "wc"},
        {"ReplicaSet", "my-wc-taskmanager-5d8f7c", "my-wc"},
        {"ReplicaSet", "taskmanager", NULL},
        {"StatefulSet", "-jobmanager", NULL},
        {"StatefulSet", "wc", NULL},
        {"Pod", "wc-jobmanager", NULL},
        {"", "", NULL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char name[64];
        bool found = failed_create_cluster(cases[i].kind, cases[i].name, name, sizeof(name));

        cr_assert_eq(found, cases[i].cluster != NULL, "%s %s", cases[i].kind, cases[i].name);
        if (found)
            cr_expect_str_eq(name, cases[i].cluster);
    }
}

Test(failed_create, a_name_that_doesnt_fit_is_none)
{
    char name[4];

    cr_expect(!failed_create_cluster("Job", "abcd-jobmanager", name, sizeof(name)));
    cr_expect(failed_create_cluster("Job", "abc-jobmanager", name, sizeof(name)));
}
