#include <stdio.h>
#include <string.h>

#include "common/model/text_digest.h"
#include "tests/unit/reconciler/rendering.h"

TestSuite(desired_matches, .timeout = 10);

static bool matches(const char *desired_text, const char *live_text)
{
    _cleanup_(json_freep) cJSON *desired = json_of(desired_text);
    _cleanup_(json_freep) cJSON *live = json_of(live_text);

    return desired_matches(desired, live);
}

#define EXPECT_MATCH(desired, live) cr_expect(matches(desired, live), "%s in %s", desired, live)
#define EXPECT_DRIFT(desired, live)                                                                \
    cr_expect_not(matches(desired, live), "%s not in %s", desired, live)

Test(desired_matches, what_the_live_object_has_besides_does_not_count)
{
    EXPECT_MATCH("{'spec':{'replicas':1}}", "{'spec':{'replicas':1,'x':2},'status':{}}");
    EXPECT_MATCH("{'metadata':{'labels':{'a':'b'}}}", "{'metadata':{'labels':{'a':'b','c':'d'}}}");
}

Test(desired_matches, what_differs_or_is_missing_counts)
{
    EXPECT_DRIFT("{'spec':{'replicas':1}}", "{'spec':{'replicas':2}}");
    EXPECT_DRIFT("{'spec':{'replicas':1}}", "{'spec':{}}");
    EXPECT_DRIFT("{'a':'1'}", "{'a':1}");
    EXPECT_DRIFT("{'a':{'b':1}}", "{'a':[]}");
    EXPECT_DRIFT("{'replicas':0}", "{'replicas':2}");
}

Test(desired_matches, nothing_is_in_everything)
{
    _cleanup_(json_freep) cJSON *live = json_of("{}");

    cr_expect(desired_matches(NULL, live));
    cr_expect(desired_matches(NULL, NULL));
}

Test(desired_matches, null_and_empty_are_as_good_as_absent)
{
    EXPECT_MATCH("{'a':null,'b':{},'c':[],'d':''}", "{}");
    EXPECT_MATCH("{'a':null}", "{'a':1}");
    EXPECT_MATCH("{'resources':{}}", "{'resources':null}");
}

Test(desired_matches, quantities_are_compared_by_value)
{
    EXPECT_MATCH("{'limits':{'cpu':'1000m','memory':'2048Mi'}}",
                 "{'limits':{'cpu':'1','memory':'2Gi'}}");
    EXPECT_MATCH("{'requests':{'cpu':2}}", "{'requests':{'cpu':'2'}}");
    EXPECT_MATCH("{'emptyDir':{'sizeLimit':'1024Mi'}}", "{'emptyDir':{'sizeLimit':'1Gi'}}");
    EXPECT_MATCH("{'minResources':{'limits.cpu':'1000m'}}", "{'minResources':{'limits.cpu':'1'}}");
    EXPECT_DRIFT("{'limits':{'cpu':'1000m'}}", "{'limits':{'cpu':'2'}}");
    EXPECT_DRIFT("{'limits':{'cpu':'1'}}", "{'limits':{}}");
    EXPECT_DRIFT("{'args':['1000m']}", "{'args':['1']}");
}

Test(desired_matches, selectors_are_whole)
{
    EXPECT_DRIFT("{'selector':{'matchLabels':{'a':'b'}}}",
                 "{'selector':{'matchLabels':{'a':'b','c':'d'}}}");
    EXPECT_DRIFT("{'selector':{'a':'b'}}", "{'selector':{'a':'b','c':'d'}}");
    EXPECT_MATCH("{'selector':{'matchLabels':{'a':'b'}}}",
                 "{'selector':{'matchLabels':{'a':'b'}}}");
}

Test(desired_matches, an_injected_container_or_variable_is_left_alone)
{
    EXPECT_MATCH("{'containers':[{'name':'a','env':[{'name':'X','value':'1'}]}]}",
                 "{'containers':[{'name':'proxy'},{'name':'a','env':[{'name':'Y'},"
                 "{'name':'X','value':'1'}]}]}");
    EXPECT_DRIFT("{'containers':[{'name':'a','env':[{'name':'X','value':'1'}]}]}",
                 "{'containers':[{'name':'a','env':[{'name':'X','value':'2'}]}]}");
    EXPECT_DRIFT("{'containers':[{'name':'a'}]}", "{'containers':[{'name':'b'}]}");
    EXPECT_MATCH("{'volumeMounts':[{'mountPath':'/a','name':'v'}]}",
                 "{'volumeMounts':[{'mountPath':'/b'},{'mountPath':'/a','name':'v'}]}");
}

Test(desired_matches, ports_are_told_apart_by_number_and_protocol)
{
    EXPECT_MATCH("{'ports':[{'name':'a','containerPort':1},{'containerPort':2,'protocol':'UDP'}]}",
                 "{'ports':[{'containerPort':2,'protocol':'UDP'},"
                 "{'name':'a','containerPort':1,'protocol':'TCP'}]}");
    EXPECT_DRIFT("{'ports':[{'containerPort':2,'protocol':'UDP'}]}",
                 "{'ports':[{'containerPort':2,'protocol':'TCP'}]}");
    EXPECT_DRIFT("{'ports':[{'name':'a','port':1}]}", "{'ports':[{'name':'b','port':1}]}");
    EXPECT_MATCH("{'ports':[{'name':'a','port':1}]}",
                 "{'ports':[{'name':'a','port':1,'nodePort':30000,'targetPort':1}]}");
}

Test(desired_matches, other_lists_are_the_same_from_end_to_end)
{
    EXPECT_DRIFT("{'args':['a']}", "{'args':['a','b']}");
    EXPECT_DRIFT("{'args':['a','b']}", "{'args':['a']}");
    EXPECT_DRIFT("{'args':['a','b']}", "{'args':['b','a']}");
    EXPECT_DRIFT("{'tolerations':[{'key':'a'}]}", "{'tolerations':[{'key':'a'},{'key':'b'}]}");
    EXPECT_MATCH("{'volumeClaimTemplates':[{'metadata':{'name':'a'}}]}",
                 "{'volumeClaimTemplates':[{'metadata':{'name':'a'},'status':{}}]}");
}

Test(desired_matches, a_part_of_an_object_is_matched_by_its_own_name)
{
    _cleanup_(json_freep) cJSON *desired = json_of("{'spec':{'selector':{'a':'b'}}}");
    _cleanup_(json_freep) cJSON *live = json_of("{'spec':{'selector':{'a':'b','c':'d'}}}");

    cr_expect_not(
        desired_matches(json_get(desired, "spec.selector"), json_get(live, "spec.selector")));
}

Test(desired_matches, our_own_children_match_themselves)
{
    render(fixture_session(EDITS(
        {"spec.batchScheduler", q("{'name':'volcano'}")},
        {"spec.podDisruptionBudget", q("{'minAvailable':1}")}, {"spec.jobManager.ingress", "{}"},
        {"spec.taskManager.horizontalPodAutoscaler", q("{'maxReplicas':3}")})));
    json_foreach (object, rendered)
        cr_expect(desired_matches(object, object), "%s", json_str(object, "kind"));
    cr_expect_eq(cJSON_GetArraySize(rendered), 9);
    rendering_done();
}

/* The watcher keeps a digest of them. */
Test(desired_matches, a_long_text_is_known_by_its_digest)
{
    char text[201], desired[300], live[300], digest[TEXT_DIGEST_SIZE];

    memset(text, 'x', 200);
    text[200] = '\0';
    text_digest(digest, text);
    (void)snprintf(desired, sizeof desired, "{'data':{'a':'%s'}}", text);
    (void)snprintf(live, sizeof live, "{'data':{'a':'%s'}}", digest);
    EXPECT_MATCH(desired, live);
    EXPECT_MATCH(desired, desired);
    desired[15] = 'y';
    EXPECT_DRIFT(desired, live);
    text[100] = '\0'; /* a short one isn't kept so: that is what somebody wrote there */
    text_digest(digest, text);
    (void)snprintf(desired, sizeof desired, "{'data':{'a':'%s'}}", text);
    (void)snprintf(live, sizeof live, "{'data':{'a':'%s'}}", digest);
    EXPECT_DRIFT(desired, live);
}
