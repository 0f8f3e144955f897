/* A request turned into the options of a curl handle; used by http.c. */
#ifndef COMMON_IO_HTTP_SETUP_H
#define COMMON_IO_HTTP_SETUP_H

#include <curl/curl.h>

#include "common/io/http.h"

/** What curl doesn't copy lives in the two lists, which the caller frees after the handle.
 *  -EINVAL: the URL, a method or a header that isn't one; -ENOMEM. */
int http_setup(CURL *easy, const struct http_request *request, struct curl_slist **headers,
               struct curl_slist **connect_to, struct error *err);
/** curl's result as -errno. @os_errno: of CURLINFO_OS_ERRNO, 0: none. */
int http_errno(CURLcode code, long os_errno);

#endif
