/* What all pods have in common (spec 03-children 3). The steps run in the reference operator's
 * order: each adds to the containers that are there at that moment, so that sidecars, which come
 * last, stay as they were given. */
#include "reconciler/desired_internal.h"

#include <stdio.h>
#include <string.h>

const char *const jobmanager_ports[4] = {"rpc", "blob", "query", "ui"};
const char *const taskmanager_ports[3] = {"data", "rpc", "query"};

enum { GRACE_SECONDS = 60 }; /* must outlast the 30 s of preStop */

/* ---- adding what isn't there ---- */

static void add_env(cJSON *container, const cJSON *env)
{
    cJSON *list = array_of(container, "env");

    if (!find_item(list, "name", json_str_or(env, "name", "")))
        json_add_item(list, json_copy(env));
}

static cJSON *new_env(const char *name, const char *value)
{
    cJSON *env = cJSON_CreateObject();

    (void)json_set_str(env, "name", name);
    (void)json_set_str(env, "value", value);
    return env;
}

static void add_mount(cJSON *container, const cJSON *mount)
{
    cJSON *list = array_of(container, "volumeMounts");

    if (!find_item(list, "mountPath", json_str_or(mount, "mountPath", "")))
        json_add_item(list, json_copy(mount));
}

static cJSON *new_mount(const char *volume, const char *path, const char *sub_path, bool read_only)
{
    cJSON *mount = cJSON_CreateObject();

    (void)json_set_str(mount, "name", volume);
    (void)json_set_str(mount, "mountPath", path);
    (void)json_set_str(mount, "subPath", sub_path);
    if (read_only)
        (void)json_set_bool(mount, "readOnly", true);
    return mount;
}

/* In every container and init container so far. */
static void mount_everywhere(cJSON *pod, cJSON *take_mount)
{
    json_foreach (container, json_member(pod, "containers"))
        add_mount(container, take_mount);
    json_foreach (container, json_member(pod, "initContainers"))
        add_mount(container, take_mount);
    cJSON_Delete(take_mount);
}

static void set_everywhere(cJSON *pod, const char *name, const char *value)
{
    _cleanup_(json_freep) cJSON *env = new_env(name, value);

    json_foreach (container, json_member(pod, "containers"))
        add_env(container, env);
    json_foreach (container, json_member(pod, "initContainers"))
        add_env(container, env);
}

/* @source: member of the volume that names the object, "configMap.name" or "secret.secretName" */
static void add_volume(cJSON *pod, const char *volume, const char *source, const char *name)
{
    cJSON *list = array_of(pod, "volumes"), *item;

    if (find_item(list, "name", volume))
        return;
    item = cJSON_CreateObject();
    (void)json_set_str(item, "name", volume);
    (void)json_set_str(item, source, name);
    json_add_item(list, item);
}

/* ---- the three steps ---- */

static void add_flink_config(const struct desired *d, cJSON *pod)
{
    char name[CHILD_NAME_MAX];

    child_name(name, NAME_CONFIGMAP, d->name);
    add_volume(pod, CONFIG_VOLUME, "configMap.name", name);
    mount_everywhere(pod, new_mount(CONFIG_VOLUME, CONFIG_PATH, NULL, false));
}

static void add_hadoop_config(const struct desired *d, cJSON *pod)
{
    const char *name = json_str(d->spec, "hadoopConfig.configMapName");
    const char *path = json_str(d->spec, "hadoopConfig.mountPath");

    if (!name || !path)
        return;
    add_volume(pod, "hadoop-config-volume", "configMap.name", name);
    mount_everywhere(pod, new_mount("hadoop-config-volume", path, NULL, true));
    set_everywhere(pod, "HADOOP_CONF_DIR", path);
}

static void add_gcp_config(const struct desired *d, cJSON *pod)
{
    const cJSON *account = json_get(d->spec, "gcpConfig.serviceAccount");
    const char *secret = json_str(account, "secretName"), *path = json_str(account, "mountPath");
    _cleanup_(freep) char *directory = NULL;
    _cleanup_(freep) char *key_file = NULL;

    if (!secret || !path)
        return;
    directory = str_printf("%s%s", path, str_ends(path, "/") ? "" : "/");
    key_file = str_printf("%s%s", directory ? directory : "", json_str_or(account, "keyFile", ""));
    if (!directory || !key_file)
        return;
    add_volume(pod, "gcp-service-account-volume", "secret.secretName", secret);
    mount_everywhere(pod, new_mount("gcp-service-account-volume", directory, NULL, true));
    set_everywhere(pod, "GOOGLE_APPLICATION_CREDENTIALS", key_file);
}

static void add_configs(const struct desired *d, cJSON *pod)
{
    add_flink_config(d, pod);
    add_hadoop_config(d, pod);
    add_gcp_config(d, pod);
}

/* ---- fields ---- */

static void copy_pod_fields(const struct desired *d, const cJSON *part, cJSON *pod)
{
    static const char *const fields[] = {"affinity",        "nodeSelector", "tolerations",
                                         "securityContext", "hostAliases",  "volumes"};

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        copy_member(pod, fields[i], part, fields[i]);
    copy_member(pod, "imagePullSecrets", d->spec, "image.pullSecrets");
    if (!str_empty(json_str(d->spec, "serviceAccountName")))
        copy_member(pod, "serviceAccountName", d->spec, "serviceAccountName");
}

static cJSON *main_container(const struct desired *d, const cJSON *part, const char *name,
                             cJSON *take_args)
{
    cJSON *container = cJSON_CreateObject();

    (void)json_set_str(container, "name", name);
    copy_member(container, "image", d->spec, "image.name");
    copy_member(container, "imagePullPolicy", d->spec, "image.pullPolicy");
    (void)json_set(container, "args", take_args);
    copy_member(container, "resources", part, "resources");
    copy_member(container, "volumeMounts", part, "volumeMounts");
    copy_member(container, "envFrom", d->spec, "envFrom");
    return container;
}

/* The main container gets all of spec.envVars, an init container those that it doesn't have itself.
 */
static void set_env_vars(const struct desired *d, cJSON *pod)
{
    json_foreach (env, json_member(d->spec, "envVars")) {
        json_foreach (container, json_member(pod, "containers"))
            json_add_item(array_of(container, "env"), json_copy(env));
        json_foreach (container, json_member(pod, "initContainers"))
            add_env(container, env);
    }
}

/* Lists that the API server keeps by key may not have a key twice when they are applied; when they
 * are created they may, and the last one counts. It takes the first one's place, since what comes
 * between may refer to it. */
static void drop_duplicates(cJSON *list, const char *key)
{
    cJSON *next;

    for (cJSON *item = list ? list->child : NULL; item; item = next) {
        cJSON *first = find_item(list, key, json_str_or(item, key, ""));

        next = item->next;
        if (first && first != item)
            cJSON_ReplaceItemViaPointer(list, first, cJSON_DetachItemViaPointer(list, item));
    }
}

/* Host names of one address are one alias. */
static void merge_host_aliases(cJSON *list)
{
    cJSON *next;

    for (cJSON *item = list ? list->child : NULL; item; item = next) {
        cJSON *first = find_item(list, "ip", json_str_or(item, "ip", ""));

        next = item->next;
        if (!first || first == item)
            continue;
        json_foreach (host, json_member(item, "hostnames"))
            json_add_item(array_of(first, "hostnames"), json_copy(host));
        cJSON_Delete(cJSON_DetachItemViaPointer(list, item));
    }
}

static void make_appliable(cJSON *pod)
{
    static const char *const lists[] = {"containers", "initContainers"};

    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        json_foreach (container, json_member(pod, lists[i]))
            drop_duplicates(json_member(container, "env"), "name");
    drop_duplicates(json_member(pod, "imagePullSecrets"), "name");
    merge_host_aliases(json_member(pod, "hostAliases"));
}

static void add_sidecars(const cJSON *part, cJSON *pod)
{
    json_foreach (sidecar, json_member(part, "sidecars"))
        json_add_item(json_member(pod, "containers"), json_copy(sidecar));
}

/* ---- JobManager and TaskManager ---- */

static void add_port(cJSON *ports, const char *name, int number)
{
    cJSON *port = cJSON_CreateObject();

    (void)json_set_str(port, "name", name);
    (void)json_set_int(port, "containerPort", number);
    json_add_item(ports, port);
}

cJSON *container_ports(const cJSON *part, const char *const *names, size_t n)
{
    cJSON *ports = cJSON_CreateArray();

    for (size_t i = 0; i < n; i++)
        add_port(ports, names[i], port_of(part, names[i]));
    json_foreach (extra, json_member(part, "extraPorts")) {
        cJSON *port = cJSON_CreateObject();

        copy_member(port, "name", extra, "name");
        copy_member(port, "containerPort", extra, "containerPort");
        copy_member(port, "protocol", extra, "protocol");
        json_add_item(ports, port);
    }
    return ports;
}

static void add_shutdown_delay(cJSON *container)
{
    static const char *const command[] = {"sleep", "30"};

    (void)json_set(container, "lifecycle.preStop.exec.command", string_array(command, 2));
}

static cJSON *component_container(const struct desired *d, const cJSON *part, const char *component,
                                  cJSON *take_args)
{
    cJSON *container = main_container(d, part, component, take_args);
    bool is_jobmanager = str_eq(component, "jobmanager");

    (void)json_set(container, "ports",
                   is_jobmanager
                       ? container_ports(part, jobmanager_ports, ARRAY_SIZE(jobmanager_ports))
                       : container_ports(part, taskmanager_ports, ARRAY_SIZE(taskmanager_ports)));
    copy_member(container, "livenessProbe", part, "livenessProbe");
    copy_member(container, "readinessProbe", part, "readinessProbe");
    add_shutdown_delay(container);
    return container;
}

static cJSON *component_pod_spec(const struct desired *d, const cJSON *part, const char *component,
                                 cJSON *take_args)
{
    cJSON *pod = cJSON_CreateObject();

    copy_pod_fields(d, part, pod);
    copy_member(pod, "initContainers", part, "initContainers");
    (void)json_set_int(pod, "terminationGracePeriodSeconds", GRACE_SECONDS);
    json_add_item(array_of(pod, "containers"), component_container(d, part, component, take_args));
    set_env_vars(d, pod);
    add_configs(d, pod);
    add_sidecars(part, pod);
    make_appliable(pod);
    return pod;
}

cJSON *component_pod(const struct desired *d, const cJSON *part, const char *component,
                     const cJSON *labels, cJSON *take_args)
{
    cJSON *template = cJSON_CreateObject();

    (void)json_set(template, "metadata.labels", json_copy(labels));
    copy_member(template, "metadata.annotations", part, "podAnnotations");
    (void)json_set(template, "spec", component_pod_spec(d, part, component, take_args));
    schedule_by_volcano(d, template);
    return template;
}

/* ---- the submitter ---- */

char *jobmanager_address(const struct desired *d)
{
    char name[CHILD_NAME_MAX];

    child_name(name, NAME_JOBMANAGER, d->name);
    return str_printf("%s:%d", name, port_of(d->jobmanager, "ui"));
}

/* The last, whoever else gives one. */
static void set_job_id(cJSON *list, const char *job_id)
{
    cJSON *other;

    while ((other = find_item(list, "name", ENV_JOB_ID)) != NULL)
        cJSON_Delete(cJSON_DetachItemViaPointer(list, other));
    json_add_item(list, new_env(ENV_JOB_ID, job_id));
}

cJSON *submitter_pod(const struct desired *d, cJSON *take_args, const char *job_id)
{
    cJSON *pod = cJSON_CreateObject();
    cJSON *container = main_container(d, d->job, "main", take_args);
    _cleanup_(freep) char *address = jobmanager_address(d);

    copy_pod_fields(d, d->job, pod);
    copy_member(pod, "initContainers", d->job, "initContainers");
    (void)json_set_str(pod, "restartPolicy", "Never");
    json_add_item(array_of(pod, "containers"), container);
    json_foreach (mount, json_member(d->job, "volumeMounts"))
        mount_everywhere(pod, json_copy(mount));
    mount_everywhere(pod, new_mount(CONFIG_VOLUME, SCRIPT_PATH, SCRIPT_KEY, false));
    set_everywhere(pod, "FLINK_JM_ADDR", address ? address : "");
    set_env_vars(d, pod);
    add_configs(d, pod);
    if (job_id)
        set_job_id(array_of(container, "env"), job_id);
    make_appliable(pod);
    return pod;
}

/* ---- Volcano ---- */

void schedule_by_volcano(const struct desired *d, cJSON *template)
{
    char group[CHILD_NAME_MAX];

    if (!d->volcano)
        return;
    child_name(group, NAME_SHARED, d->name);
    (void)json_set_str(template, "spec.schedulerName", "volcano");
    if (!str_empty(json_str(d->spec, "batchScheduler.priorityClassName")))
        copy_member(template, "spec.priorityClassName", d->spec,
                    "batchScheduler.priorityClassName");
    set_annotation(template, "scheduling.k8s.io/group-name", group);
}

/* ---- claims ---- */

cJSON *claim_templates(const struct desired *d, const cJSON *part)
{
    cJSON *claims = json_copy(json_member(part, "volumeClaimTemplates"));

    json_foreach (claim, claims) {
        cJSON *owner = owner_references(d);

        json_remove(claim, "status");
        json_add_item(array_of(json_member(claim, "metadata"), "ownerReferences"),
                      cJSON_DetachItemFromArray(owner, 0));
        cJSON_Delete(owner);
    }
    return claims;
}
