#include <criterion/criterion.h>

#include "common/kube/client_private.h"

Test(request, any_5xx_a_429_and_no_answer_may_be_better_next_time)
{
    for (int status = 500; status < 600; status++)
        cr_expect(kube_is_transient(status), "%d", status);
    cr_expect(kube_is_transient(429));
    cr_expect(kube_is_transient(0));
}

Test(request, a_4xx_is_an_answer_for_good)
{
    for (int status = 400; status < 500; status++)
        cr_expect(status == 429 || !kube_is_transient(status), "%d", status);
    cr_expect_not(kube_is_transient(200));
    cr_expect_not(kube_is_transient(301));
}
