/* A kube client of a fake_http server, with a kubeconfig in a directory of its own. */
#ifndef TESTS_LIB_KUBE_FIXTURE_H
#define TESTS_LIB_KUBE_FIXTURE_H

#include "common/kube/client.h"
#include "tests/lib/fake_http.h"

struct kube_fixture {
    struct loop *loop;
    struct http *http;
    struct fake_http *fake;
    struct kube_client *client;
    char dir[64];
};

/** @user is the user's entry as JSON, e.g. {"token": "t"}; "%s" in it is the directory. */
void kube_fixture_open(struct kube_fixture *f, const char *user, fake_http_fn fn, void *userdata);
void kube_fixture_close(struct kube_fixture *f);
/** Write a file into the directory. */
void kube_fixture_write(const struct kube_fixture *f, const char *name, const char *text, int mode);
/** Turn the loop until *done, for 10 s at most. */
void kube_fixture_run(struct kube_fixture *f, const bool *done);
/** Turn the loop for a while. */
void kube_fixture_run_ms(struct kube_fixture *f, int64_t ms);

#endif
