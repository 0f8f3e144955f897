/* Scope-bound cleanup: `_cleanup_(freep) char *text = NULL;` */
#ifndef COMMON_BASE_CLEANUP_H
#define COMMON_BASE_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#define _cleanup_(fn)        __attribute__((cleanup(fn)))
#define _printf_(fmt, first) __attribute__((format(printf, fmt, first)))

static inline void freep(void *p)
{
    free(*(void **)p);
}

static inline void closep(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static inline void json_freep(cJSON **json)
{
    cJSON_Delete(*json);
}

/* Hand the pointer out of the scope that would have freed it. */
#define TAKE(p)                                                                                    \
    __extension__({                                                                                \
        __typeof__(p) taken_ = (p);                                                                \
        (p) = NULL;                                                                                \
        taken_;                                                                                    \
    })

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
