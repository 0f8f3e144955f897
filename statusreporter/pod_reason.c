#include "statusreporter/pod_reason.h"

#include <stdio.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/json.h"
#include "common/base/str.h"
#include "common/base/time.h"
#include "common/model/names.h"
#include "common/model/pod.h"

/* From the surest cause to the vaguest. */
enum trouble {
    TROUBLE_IMAGE_NAME,
    TROUBLE_IMAGE_PULL,
    TROUBLE_IMAGE_NEVER,
    TROUBLE_CONFIG,
    TROUBLE_CREATE,
    TROUBLE_RUN,
    TROUBLE_OOM,
    TROUBLE_INIT,
    TROUBLE_CRASH,
    TROUBLE_EVICTED,
    TROUBLE_MOUNT,
    TROUBLE_UNSCHEDULABLE,
    TROUBLE_NOT_STARTING,
    TROUBLES,
};

static const char *const trouble_names[TROUBLES] = {
    [TROUBLE_IMAGE_NAME] = "InvalidImageName",
    [TROUBLE_IMAGE_PULL] = "ImagePullBackOff",
    [TROUBLE_IMAGE_NEVER] = "ErrImageNeverPull",
    [TROUBLE_CONFIG] = "CreateContainerConfigError",
    [TROUBLE_CREATE] = "CreateContainerError",
    [TROUBLE_RUN] = "RunContainerError",
    [TROUBLE_OOM] = "OOMKilled",
    [TROUBLE_INIT] = "InitContainerFailed",
    [TROUBLE_CRASH] = "CrashLoopBackOff",
    [TROUBLE_EVICTED] = "Evicted",
    [TROUBLE_MOUNT] = "FailedMount",
    [TROUBLE_UNSCHEDULABLE] = "Unschedulable",
    [TROUBLE_NOT_STARTING] = "PodNotStarting",
};

/* The kubelet alternates between ErrImagePull and ImagePullBackOff: one thing to us, so that the
 * status stays still. */
static const struct {
    const char *kubelet;
    enum trouble trouble;
} waiting_reasons[] = {
    {"InvalidImageName", TROUBLE_IMAGE_NAME},
    {"ErrImagePull", TROUBLE_IMAGE_PULL},
    {"ImagePullBackOff", TROUBLE_IMAGE_PULL},
    {"ImageInspectError", TROUBLE_IMAGE_PULL},
    {"RegistryUnavailable", TROUBLE_IMAGE_PULL},
    {"ErrImageNeverPull", TROUBLE_IMAGE_NEVER},
    {"CreateContainerConfigError", TROUBLE_CONFIG},
    {"PreCreateHookError", TROUBLE_CREATE},
    {"CreateContainerError", TROUBLE_CREATE},
    {"PreStartHookError", TROUBLE_RUN},
    {"PostStartHookError", TROUBLE_RUN},
    {"RunContainerError", TROUBLE_RUN},
    {"StartError", TROUBLE_RUN},
};

static const char *const components[] = {"jobmanager", "taskmanager", "submitter", "other"};
enum { COMPONENT_SUBMITTER = 2, COMPONENT_OTHER = 3, POD_TEXT_MAX = 65536 };

/* What was found of one kind of trouble in one component: the pod that comes first by name speaks
 * for all. */
struct found {
    int pods;
    const cJSON *pod, *container;
    bool init;
};

struct search {
    const struct view *view;
    struct found found[ARRAY_SIZE(components)][TROUBLES];
    int64_t wake_ms;
};

static const char *pod_name(const cJSON *pod)
{
    return json_str_or(pod, "metadata.name", "");
}

static size_t component_of(const struct view *v, const cJSON *pod)
{
    const cJSON *labels = json_get(pod, "metadata.labels");
    const char *component = pod_component(pod);

    for (size_t i = 0; i < COMPONENT_SUBMITTER; i++) {
        if (str_eq(component, components[i]))
            return i;
    }
    if (str_eq(cJSON_GetStringValue(json_member(labels, "job-name")), v->submitter.name))
        return COMPONENT_SUBMITTER;
    return COMPONENT_OTHER;
}

static void note(struct search *s, const cJSON *pod, const cJSON *container, bool init,
                 enum trouble trouble)
{
    struct found *f = &s->found[component_of(s->view, pod)][trouble];

    f->pods++;
    if (f->pod && strcmp(pod_name(f->pod), pod_name(pod)) <= 0)
        return;
    f->pod = pod;
    f->container = container;
    f->init = init;
}

/* ---- containers ---- */

static bool is_oom(const cJSON *container)
{
    return str_eq(json_str(container, "state.terminated.reason"), "OOMKilled") ||
           (!json_has(container, "state.terminated") &&
            str_eq(json_str(container, "lastState.terminated.reason"), "OOMKilled"));
}

/* Its last end was a failure, and it isn't ready since: also while it runs again, so that the
 * reason doesn't come and go with each try. */
static bool has_crashed(const cJSON *container)
{
    const cJSON *now = json_get(container, "state.terminated");
    const cJSON *last = now ? now : json_get(container, "lastState.terminated");

    return !json_bool(container, "ready", false) && json_int(last, "exitCode", 0) != 0;
}

/* Of a pod that isn't started again: -1 where the job's state tells of its end, or where that was
 * no matter. */
static int trouble_of_ended(const struct view *v, const cJSON *container)
{
    bool application = v->mode == MODE_APPLICATION;

    if (v->rec_state == JOB_SUCCEEDED)
        return -1;
    /* With high availability another JobManager has taken its place; or the job is submitted. */
    if (application ? v->jobmanager_running : v->rec_state == JOB_RUNNING)
        return -1;
    if (is_oom(container))
        return TROUBLE_OOM;
    return application && v->submitter.active ? TROUBLE_CRASH : -1;
}

/* -1: none */
static int container_trouble(const struct view *v, const cJSON *container, bool init, bool restarts)
{
    const char *waiting = json_str(container, "state.waiting.reason");

    for (size_t i = 0; waiting && i < ARRAY_SIZE(waiting_reasons); i++) {
        if (str_eq(waiting, waiting_reasons[i].kubelet))
            return (int)waiting_reasons[i].trouble;
    }
    if (!str_eq(waiting, "CrashLoopBackOff") && !has_crashed(container))
        return -1;
    if (!restarts && !init)
        return trouble_of_ended(v, container);
    if (is_oom(container))
        return TROUBLE_OOM;
    return init ? TROUBLE_INIT : TROUBLE_CRASH;
}

/* Are containers that end started again? A pod that has failed as a whole is at its end whatever
 * its policy (a Job makes another). */
static bool is_restarting(const cJSON *pod)
{
    return !str_eq(json_str(pod, "spec.restartPolicy"), "Never") &&
           !str_eq(json_str(pod, "status.phase"), "Failed");
}

static bool look_at_containers(struct search *s, const cJSON *pod, bool init)
{
    const char *path = init ? "status.initContainerStatuses" : "status.containerStatuses";
    bool restarts = is_restarting(pod);

    json_foreach (container, json_get(pod, path)) {
        int trouble = container_trouble(s->view, container, init, restarts);

        if (trouble >= 0) {
            note(s, pod, container, init, (enum trouble)trouble);
            return true;
        }
    }
    return false;
}

/* ---- pods ---- */

static const cJSON *condition(const cJSON *pod, const char *type)
{
    json_foreach (item, json_get(pod, "status.conditions")) {
        if (str_eq(json_str(item, "type"), type))
            return item;
    }
    return NULL;
}

static const cJSON *mount_failure(const struct view *v, const cJSON *pod)
{
    char key[300];

    (void)snprintf(key, sizeof key, "failedmount/%.253s", pod_name(pod));
    return json_member(v->snapshot->observations, key);
}

/* Nothing of the pod was started yet: no init container runs or ran, all containers wait. */
static bool is_untouched(const cJSON *pod)
{
    json_foreach (container, json_get(pod, "status.initContainerStatuses")) {
        if (!json_has(container, "state.waiting"))
            return false;
    }
    json_foreach (container, json_get(pod, "status.containerStatuses")) {
        if (!json_has(container, "state.waiting"))
            return false;
    }
    return true;
}

static void look_at_waiting(struct search *s, const cJSON *pod)
{
    const cJSON *scheduled = condition(pod, "PodScheduled");
    int64_t since = time_parse_rfc3339(json_str(scheduled, "lastTransitionTime"));

    if (str_eq(json_str(scheduled, "status"), "False")) {
        note(s, pod, NULL, false, TROUBLE_UNSCHEDULABLE);
        return;
    }
    if (!is_untouched(pod))
        return;
    if (mount_failure(s->view, pod)) {
        note(s, pod, NULL, false, TROUBLE_MOUNT);
        return;
    }
    if (!str_eq(json_str(scheduled, "status"), "True") || !since)
        return;
    if (s->view->now_ms - since >= POD_NOT_STARTING_MS)
        note(s, pod, NULL, false, TROUBLE_NOT_STARTING);
    else if (!s->wake_ms || since + POD_NOT_STARTING_MS < s->wake_ms)
        s->wake_ms = since + POD_NOT_STARTING_MS;
}

static void look_at_pod(struct search *s, const cJSON *pod)
{
    const char *phase = json_str(pod, "status.phase");

    if (json_has(pod, "metadata.deletionTimestamp") || str_eq(phase, "Succeeded"))
        return;
    if (str_eq(phase, "Failed") && str_eq(json_str(pod, "status.reason"), "Evicted")) {
        note(s, pod, NULL, false, TROUBLE_EVICTED);
        return;
    }
    if (look_at_containers(s, pod, true) || look_at_containers(s, pod, false))
        return;
    if (str_eq(phase, "Pending"))
        look_at_waiting(s, pod);
}

/* ---- words ---- */

/* The last lines of a log that fit. */
static const char *log_tail(const char *log)
{
    size_t len = strlen(log);
    const char *tail = log;

    while (len > 0 && strchr(" \t\r\n", log[len - 1]))
        len--;
    if (len > CRASH_LOG_BYTES) {
        tail = log + len - CRASH_LOG_BYTES;
        if (strchr(tail, '\n') && strchr(tail, '\n') < log + len)
            tail = strchr(tail, '\n') + 1;
        while (((unsigned char)*tail & 0xC0) == 0x80)
            tail++;
    }
    return tail;
}

static const cJSON *crash_of(const struct view *v, const char *pod, const char *container)
{
    char key[600];

    (void)snprintf(key, sizeof key, "crash/%.253s/%.253s", pod, container);
    return json_member(v->snapshot->observations, key);
}

static const char *memory_limit(const struct found *f)
{
    const char *containers = f->init ? "spec.initContainers" : "spec.containers";

    json_foreach (item, json_get(f->pod, containers)) {
        if (str_eq(json_str(item, "name"), json_str(f->container, "name")))
            return json_str(item, "resources.limits.memory");
    }
    return NULL;
}

static void say_crash(const struct view *v, const struct found *f, struct buf *text)
{
    const char *name = json_str_or(f->container, "name", "");
    const cJSON *now = json_get(f->container, "state.terminated");
    const cJSON *last = now ? now : json_get(f->container, "lastState.terminated");
    const cJSON *seen = crash_of(v, pod_name(f->pod), name);
    const char *log = json_str(seen, "log");
    int64_t code = json_int(last, "exitCode", json_int(seen, "exitCode", -1));

    if (code >= 0)
        buf_printf(text, "exits with code %lld", (long long)code);
    else
        buf_puts(text, "fails");
    if (str_blank(log))
        log = json_str(last, "message");
    if (!str_blank(log))
        buf_printf(text, ": %s", log_tail(log));
}

static void say_oom(const struct found *f, struct buf *text)
{
    const char *limit = memory_limit(f);

    buf_puts(text, "was killed for using more memory than its limit");
    if (limit)
        buf_printf(text, " of %s", limit);
}

static void say_image(const struct found *f, const char *what, struct buf *text)
{
    const char *detail = json_str_or(f->container, "state.waiting.message", "");
    const char *cause = strstr(detail, "ErrImagePull: ");

    if (cause) /* what comes before says how long the kubelet waits */
        detail = cause + strlen("ErrImagePull: ");
    else if (str_starts(detail, "Back-off"))
        detail = "";
    buf_printf(text, "%s image \"%s\"", what, json_str_or(f->container, "image", ""));
    if (*detail)
        buf_printf(text, ": %s", detail);
}

static void say_container(const struct view *v, const struct found *f, enum trouble trouble,
                          struct buf *text)
{
    buf_printf(text, ", %scontainer %s: ", f->init ? "init " : "",
               json_str_or(f->container, "name", ""));
    if (trouble == TROUBLE_IMAGE_PULL)
        say_image(f, "can't pull", text);
    else if (trouble == TROUBLE_IMAGE_NEVER || trouble == TROUBLE_IMAGE_NAME)
        say_image(f, "can't use", text);
    else if (trouble == TROUBLE_OOM)
        say_oom(f, text);
    else if (trouble == TROUBLE_CRASH || trouble == TROUBLE_INIT)
        say_crash(v, f, text);
    else
        buf_puts(text, json_str_or(f->container, "state.waiting.message", "no reason is given"));
}

static void say_pod(const struct view *v, const struct found *f, enum trouble trouble,
                    struct buf *text)
{
    const char *name = pod_name(f->pod);

    buf_puts(text, ": ");
    if (trouble == TROUBLE_UNSCHEDULABLE)
        buf_puts(text,
                 json_str_or(condition(f->pod, "PodScheduled"), "message", "no node takes it"));
    else if (trouble == TROUBLE_EVICTED)
        buf_puts(text, json_str_or(f->pod, "status.message", "its node ran short of something"));
    else if (trouble == TROUBLE_MOUNT)
        buf_puts(text,
                 json_str_or(mount_failure(v, f->pod), "message", "a volume can't be mounted"));
    else
        buf_printf(text,
                   "no container was created %d minutes after it got its node; often a volume "
                   "that can't be mounted, see kubectl describe pod %s",
                   POD_NOT_STARTING_MS / 60000, name);
}

static void say(const struct view *v, const struct found *f, size_t component, enum trouble trouble,
                struct problems *ret)
{
    _cleanup_(buf_done) struct buf text = BUF_INIT(POD_TEXT_MAX);
    struct problem *p;
    char object[64];

    (void)snprintf(object, sizeof object, "%s pods", components[component]);
    p = problem_add(ret, trouble_names[trouble], object);
    if (!p)
        return;
    buf_printf(&text, "pod %s", pod_name(f->pod));
    if (f->pods > 1)
        buf_printf(&text, " and %d more", f->pods - 1);
    if (f->container)
        say_container(v, f, trouble, &text);
    else
        say_pod(v, f, trouble, &text);
    str_copy(p->message, sizeof p->message, buf_str(&text));
}

void pod_reasons(const struct view *v, struct problems *ret)
{
    struct search s = {.view = v};

    json_foreach (object, v->snapshot->objects) {
        if (str_eq(json_str(object, "kind"), "Pod"))
            look_at_pod(&s, object);
    }
    for (size_t c = 0; c < ARRAY_SIZE(components); c++) {
        for (size_t t = 0; t < TROUBLES; t++) {
            if (s.found[c][t].pods)
                say(v, &s.found[c][t], c, (enum trouble)t, ret);
        }
    }
    if (s.wake_ms && (!ret->wake_ms || s.wake_ms < ret->wake_ms))
        ret->wake_ms = s.wake_ms;
}
