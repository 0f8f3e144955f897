#include "statusreporter/patch_status.h"
#include "tests/unit/statusreporter/known.h"

TestSuite(patch_status, .timeout = 20);

static cJSON *patch_of(const char *recorded, const char *status)
{
    _cleanup_(freep) char *text =
        str_printf("{'metadata':{'uid':'u','resourceVersion':'7'}%s%s}",
                   recorded ? ",'status':" : "", recorded ? recorded : "");
    _cleanup_(json_freep) cJSON *cluster = parse(text);
    _cleanup_(json_freep) cJSON *wanted = parse(status);

    return status_patch(cluster, wanted);
}

Test(patch_status, nothing_new_is_no_patch)
{
    cr_expect_null(patch_of("{'state':'Running','a':[1,2]}", "{'a':[1,2],'state':'Running'}"));
}

Test(patch_status, only_what_differs_is_sent_for_that_very_state_of_the_object)
{
    _cleanup_(json_freep) cJSON *patch =
        patch_of("{'state':'Creating','components':{'job':{'state':'Pending','x':1},'y':2}}",
                 "{'state':'Running','components':{'job':{'state':'Pending'},'y':2}}");

    expect_json(patch, "",
                "{'metadata':{'uid':'u','resourceVersion':'7'},"
                "'status':{'state':'Running','components':{'job':{'x':null}}}}");
}

Test(patch_status, the_first_status_is_sent_whole)
{
    _cleanup_(json_freep) cJSON *patch = patch_of(NULL, "{'state':'Creating','components':{}}");

    expect_json(patch, "status", "{'state':'Creating','components':{}}");
}

Test(patch_status, the_annotation_is_removed_only_as_it_was_seen)
{
    _cleanup_(json_freep) cJSON *cluster =
        parse("{'metadata':{'uid':'u','resourceVersion':'7','annotations':{'a':'b'}}}");
    _cleanup_(json_freep) cJSON *patch = control_patch(cluster);

    expect_json(patch, "",
                "{'metadata':{'uid':'u','resourceVersion':'7','annotations':"
                "{'flinkclusters.flinkoperator.k8s.io/user-control':null}}}");
}

static bool recorded(const char *ours, const char *journal)
{
    struct tracked t = {0};

    str_copy(t.written_rv, sizeof t.written_rv, ours);
    return status_is_recorded(&t, journal);
}

Test(patch_status, a_write_is_recorded_once_the_journal_has_it_or_something_newer)
{
    cr_expect(recorded("", "5"), "nothing was written");
    cr_expect(recorded("10", "10"));
    cr_expect(recorded("10", "11"), "changed by somebody else since");
    cr_expect_not(recorded("10", "9"), "as text 9 would be newer");
    cr_expect(recorded("abc", "xyz"), "versions that can't be compared hold nothing up");
}

Test(patch_status, what_was_refused_is_not_tried_again_on_the_same_state)
{
    struct tracked t = {.refused_rv = "5"};

    cr_expect_not(status_is_recorded(&t, "5"));
    cr_expect(status_is_recorded(&t, "6"));
}
