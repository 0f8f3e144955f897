#include <criterion/criterion.h>

#include "common/base/cleanup.h"
#include "common/base/json.h"
#include "watcher/lease.h"

TestSuite(lease, .timeout = 10);

static cJSON *lease_of(const char *holder)
{
    cJSON *lease = lease_new("ns", "lock", holder, 1767323045678);

    (void)json_set_str(lease, "metadata.resourceVersion", "7");
    return lease;
}

Test(lease, a_new_one_reads_as_client_go_writes_it)
{
    _cleanup_(json_freep) cJSON *lease = lease_of("me");

    cr_expect_str_eq(json_str(lease, "spec.renewTime"), "2026-01-02T03:04:05.678000Z");
    cr_expect_str_eq(json_str(lease, "spec.holderIdentity"), "me");
    cr_expect_eq(json_int(lease, "spec.leaseDurationSeconds", 0), 15);
    cr_expect_eq(json_int(lease, "spec.leaseTransitions", -1), 0);
}

Test(lease, somebody_elses_is_free_only_after_it_ran_out_by_our_clock)
{
    _cleanup_(json_freep) cJSON *lease = lease_of("other");

    cr_expect(!lease_is_free(lease, "me", 0));
    cr_expect(!lease_is_free(lease, "me", LEASE_DURATION_MS));
    cr_expect(lease_is_free(lease, "me", LEASE_DURATION_MS + 1));
}

Test(lease, our_own_and_a_released_one_are_free_at_once)
{
    _cleanup_(json_freep) cJSON *ours = lease_of("me");
    _cleanup_(json_freep) cJSON *released = lease_of("");

    cr_expect(lease_is_free(ours, "me", 0));
    cr_expect(lease_is_free(released, "me", 0));
    cr_expect(lease_is_free(NULL, "me", 0));
}

Test(lease, renewing_counts_no_transition_and_is_guarded)
{
    _cleanup_(json_freep) cJSON *lease = lease_of("me");
    _cleanup_(json_freep) cJSON *renewed = lease_take(lease, "me", 1767323047000);
    _cleanup_(json_freep) cJSON *taken = lease_take(lease, "you", 1767323047000);

    cr_expect(!json_has(renewed, "spec.leaseTransitions"));
    cr_expect_str_eq(json_str(renewed, "metadata.resourceVersion"), "7");
    cr_expect_eq(json_int(taken, "spec.leaseTransitions", 0), 1);
    cr_expect_str_eq(json_str(taken, "spec.acquireTime"), "2026-01-02T03:04:07.000000Z");
    cr_expect(!lease_is_same(lease, renewed));
    cr_expect(lease_is_same(lease, lease));
}

Test(lease, releasing_leaves_no_holder)
{
    _cleanup_(json_freep) cJSON *lease = lease_of("me");
    _cleanup_(json_freep) cJSON *patch = lease_release(lease, 1767323047000);

    cr_expect_str_eq(lease_holder(patch), "");
    cr_expect_str_eq(json_str(patch, "metadata.resourceVersion"), "7");
}
