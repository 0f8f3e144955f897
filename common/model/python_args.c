#include "common/model/python_args.h"

#include <string.h>

#include "common/base/str.h"

/* All have a value. */
static const struct option {
    const char *name, *long_name;
    bool program; /* names what is to be run */
} options[] = {
    {"-py", "--python", true},
    {"-pym", "--pyModule", true},
    {"-pyfs", "--pyFiles", false},
    {"-pyarch", "--pyArchives", false},
    {"-pyreq", "--pyRequirements", false},
    {"-pyexec", "--pyExecutable", false},
    {"-pyclientexec", "--pyClientExecutable", false},
    {"-pypath", "--pyPythonPath", false},
};

/* An option of Flink's among the words. */
struct found {
    const struct option *option; /* NULL: the word is none */
    char name[24]; /* as it was written */
    const char *value; /* of "option=value" or the next word */
    const cJSON *last; /* the last word that belongs to it */
};

static const char *text_of(const cJSON *item)
{
    const char *text = cJSON_GetStringValue(item);

    return text ? text : "";
}

static const struct option *option_of(const char *word, size_t len)
{
    for (size_t i = 0; i < ARRAY_SIZE(options); i++)
        if ((strlen(options[i].name) == len && !strncmp(word, options[i].name, len)) ||
            (strlen(options[i].long_name) == len && !strncmp(word, options[i].long_name, len)))
            return &options[i];
    return NULL;
}

/* An option without a value is none. */
static struct found read_option(const cJSON *item)
{
    const char *word = text_of(item);
    size_t len = strcspn(word, "=");
    struct found f = {.option = option_of(word, len), .last = item};

    if (f.option && word[len]) {
        f.value = word + len + 1;
    } else if (f.option) {
        f.value = cJSON_GetStringValue(item->next);
        f.last = item->next;
    }
    if (str_empty(f.value))
        return (struct found){.last = item};
    str_copy(f.name, len + 1, word);
    return f;
}

static bool is_end_of_options(const cJSON *item)
{
    return str_eq(cJSON_GetStringValue(item), "--");
}

/* "flink run" without jarFile takes the first word that is no option for the jar. */
static bool is_jar(const cJSON *item)
{
    const char *word = text_of(item);

    return *word != '-' && str_ends(word, ".jar");
}

static bool has_program(const cJSON *args)
{
    const cJSON *item = args ? args->child : NULL;

    if (!item || is_jar(item))
        return false;
    for (; item && !is_end_of_options(item); item = item->next) {
        struct found f = read_option(item);

        if (f.option && f.option->program)
            return true;
        item = f.last;
    }
    return false;
}

bool python_is_named(const cJSON *job)
{
    return !str_blank(json_str(job, "pyFile")) || !str_blank(json_str(job, "pyModule"));
}

bool python_is_job(const cJSON *job)
{
    const char *class_name = json_str(job, "className");
    bool application = str_eq(json_str(job, "mode"), "Application");

    if (application && !str_blank(class_name) && !str_eq(class_name, PYTHON_DRIVER))
        return false;
    if (!application && !str_blank(json_str(job, "jarFile")))
        return false;
    return python_is_named(job) || has_program(json_member(job, "args"));
}

static void add_word(cJSON *list, const char *word)
{
    json_add_item(list, cJSON_CreateString(word));
}

static void move_words(cJSON *to, cJSON *from)
{
    while (from->child)
        json_add_item(to, cJSON_DetachItemFromArray(from, 0));
}

cJSON *python_sorted_args(const cJSON *job)
{
    const cJSON *args = json_member(job, "args");
    const cJSON *item = args ? args->child : NULL;
    bool sort = python_is_job(job), named = python_is_named(job);
    cJSON *sorted = cJSON_CreateArray();
    _cleanup_(json_freep) cJSON *rest = cJSON_CreateArray();

    for (; item; item = item->next) {
        struct found f = {.last = item};

        sort = sort && !is_end_of_options(item);
        if (sort)
            f = read_option(item);
        if (f.option && !(f.option->program && named)) {
            add_word(sorted, f.name);
            add_word(sorted, f.value);
            item = f.last;
        } else if (cJSON_IsString(item)) {
            add_word(rest, item->valuestring);
        }
    }
    move_words(sorted, rest);
    return sorted;
}
